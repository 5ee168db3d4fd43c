"""What the errors of calls to the API mean."""

import httpx
import pytest
from prefect.exceptions import ObjectNotFound, PrefectException

from genesis.errors import GenesisError, ServiceError, UsageError
from genesis.prefect_api.client import ApiUnavailable
from genesis.prefect_api.errors import API_ERRORS, service_errors, status_of


def refusal(code, text=""):
    request = httpx.Request("POST", "http://127.0.0.1/api/x")
    return httpx.HTTPStatusError(str(code), request=request, response=httpx.Response(code, text=text, request=request))


@pytest.mark.parametrize(
    "error",
    [
        refusal(422),
        httpx.ConnectError("gone"),
        httpx.DecodingError("not what it says it is"),
        ObjectNotFound(http_exc=refusal(404)),
        PrefectException("no"),
        ApiUnavailable(OSError("gone"), fault=False),
        TimeoutError(),
        ConnectionResetError(),
    ],
)
def test_whatever_a_call_raises_is_an_error_of_the_api_and_of_the_service(error):
    assert isinstance(error, API_ERRORS)
    with pytest.raises(ServiceError) as caught, service_errors():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    ("code", "hint"), [(401, "PREFECT_API_KEY"), (403, "PREFECT_API_KEY"), (422, "genesis doctor")]
)
def test_a_refusal_says_what_the_server_said(code, hint):
    with pytest.raises(ServiceError, match=f"refuses POST /api/x: {code} it is so") as caught, service_errors():
        raise refusal(code, "it  is\nso")
    assert hint in caught.value.hint


def test_what_is_no_prefect_is_an_error_of_the_service_and_other_faults_are_not():
    with pytest.raises(ServiceError, match="another version"), service_errors():
        raise RuntimeError("another version")
    with pytest.raises(UsageError), service_errors():
        raise UsageError("ours")
    with pytest.raises(KeyError), service_errors():
        raise KeyError("a bug")
    assert issubclass(UsageError, GenesisError)


def test_only_a_refusal_has_a_status():
    assert status_of(refusal(404)) == 404
    assert status_of(httpx.ConnectError("gone")) is None

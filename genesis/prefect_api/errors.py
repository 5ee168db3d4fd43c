"""What calls to the Prefect API raise, for callers that continue without an answer or report why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from prefect.exceptions import PrefectException

from genesis.errors import GenesisError, ServiceError
from genesis.prefect_api.client import ApiUnavailable

__all__ = ["API_ERRORS", "CLIENT_ERRORS", "ApiRefused", "service_errors", "status_of"]

ApiRefused = httpx.HTTPStatusError
"""An answer that is none of success, as Prefect's client raises it where it has no error of its own for it."""
CLIENT_ERRORS = (httpx.HTTPError, PrefectException, ApiUnavailable)
"""What Prefect's client and `PrefectApi` raise."""
API_ERRORS = (*CLIENT_ERRORS, OSError)
"""The same and what the way to the API raises besides; `TimeoutError` is an `OSError`."""
_KEYLESS = frozenset({401, 403})


def status_of(error: BaseException) -> int | None:
    """Return the status of a refusal over HTTP; None of any other error."""
    return error.response.status_code if isinstance(error, ApiRefused) else None


@contextmanager
def service_errors() -> Iterator[None]:
    """Turn what a server and Prefect's client say about each other into errors of ours.

    The client says by a bare `RuntimeError` that what answers is no Prefect, or another version.

    Raises:
        ServiceError: The server cannot be reached, or refuses the key or a call.
    """
    try:
        yield
    except GenesisError:
        raise
    except ApiRefused as error:
        code = error.response.status_code
        said = " ".join(error.response.text.split())[:300]
        hint = "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING" if code in _KEYLESS else "run: genesis doctor"
        raise ServiceError(
            f"the Prefect server refuses {error.request.method} {error.request.url.path}: {code} {said}", hint=hint
        ) from error
    except (*API_ERRORS, RuntimeError) as error:
        raise ServiceError(
            f"the Prefect server cannot be used: {error or type(error).__name__}"[:400], hint="run: genesis doctor"
        ) from error

"""Striking out, for any text."""

from uuid import UUID

from hypothesis import example, given, settings
from hypothesis import strategies as st

from genesis.security.redact import MARK, redact, redact_values

_PIECES = st.sampled_from(
    ["password", "token", "=", ":", " ", '"', "'", "\\", "\n", "Bearer ", "Authorization: ", "://", "@", "user",
     "abc123", "sk-", "ghp_", "eyJ", ".", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "--", "api_key",
     ";", "Pwd", "***", "*", "&", "0123456789abcdef", "{", "}", ",", "secret", "b'", "Basic ", "AKIA", "SecretStr("]
)  # fmt: skip
_MIXED = st.lists(st.one_of(_PIECES, st.text(max_size=8)), max_size=25).map("".join)
_SECRETS = st.lists(st.text(alphabet="abcXYZ019-/= \n\"'", min_size=6, max_size=20), max_size=3)
_WORD = st.text(alphabet="abcdefghijklmnoprstuvwxyz", min_size=1, max_size=6)
_TOKEN_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@settings(max_examples=150, deadline=None)
@given(_MIXED, _SECRETS)
@example("-----BEGIN PRIVATE KEY-----abcdefghi***", [])
def test_done_twice_it_changes_nothing_more(text, secrets):
    once = redact(text, secrets)
    assert redact(once, secrets) == once


@settings(max_examples=100, deadline=None)
@given(_MIXED, st.text(alphabet=_TOKEN_CHARACTERS + "-_/+ '\"=:", min_size=12, max_size=40), _MIXED)
def test_no_known_secret_is_left(before, secret, after):
    assert secret not in redact(f"{before}{secret}{after}", [secret])


@settings(deadline=None)
@given(
    st.sampled_from(["password", "API_KEY", "client-secret", "x.accessToken", "DB_PASSWD"]),
    st.sampled_from(["=", ": ", " = ", '": "', "': '", "=>", ":="]),
    st.text(alphabet=_TOKEN_CHARACTERS, min_size=12, max_size=60),
)
def test_what_is_given_to_a_secret_name_is_struck_out(name, sign, value):
    assert value not in redact(f"it said {name}{sign}{value} and ended")


@settings(deadline=None)
@given(st.sampled_from(["ghp_", "glpat-", "sk-ant-", "AKIA", "xoxb-", "hf_", "pnu_"]), st.data())
def test_tokens_of_known_issuers_are_struck_out(prefix, data):
    body = data.draw(st.text(alphabet=_TOKEN_CHARACTERS, min_size=16, max_size=60))
    assert body not in redact(f"({prefix}7{body})")


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(
    _WORD,
    st.uuids().map(str),
    st.binary(min_size=16, max_size=32).map(bytes.hex),
    st.integers().map(str),
    st.floats(allow_nan=False).map(str),
    st.datetimes().map(lambda when: when.isoformat()),
    st.lists(_WORD, min_size=1, max_size=5).map(lambda parts: "/" + "/".join(parts)),
    st.lists(_WORD, min_size=1, max_size=3).map("_".join),
    st.ip_addresses().map(lambda address: f"http://{address}:4200/api" if address.version == 4 else str(address)),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
), max_size=20), st.sampled_from([" ", ", ", "; ", "=", ": ", "/", "\n"]))  # fmt: skip
def test_words_ids_hashes_paths_and_numbers_stay(words, between):
    text = between.join(words)
    assert redact(text) == text


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10) | _PIECES,
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(_PIECES | st.text(max_size=6), children, max_size=4)
    ),
    max_leaves=20,
)


def _shape(value):
    if isinstance(value, dict):
        return sorted(str(_shape(each)) for each in value.values())
    return [_shape(each) for each in value] if isinstance(value, list) else None


@settings(deadline=None)
@given(_JSON)
def test_data_keeps_its_shape_and_is_done_after_one_time(value):
    once = redact_values(value)
    if not isinstance(value, dict):
        assert _shape(once) == _shape(value)
    assert redact_values(once) == once


@given(st.uuids())
def test_an_id_under_an_ordinary_name_stays(identity: UUID):
    value = {"run_id": str(identity), "fingerprint": identity.hex, "tokens": 5}
    assert redact_values(value) == value
    assert redact_values({"secret": str(identity)}) == {"secret": MARK}

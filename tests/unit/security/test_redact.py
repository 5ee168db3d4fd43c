"""What is struck out of text, what is left, and that no text takes long."""

import pytest

from genesis.security.credential_formats import KNOWN
from genesis.security.redact import MARK, redact, redact_values
from genesis.security.secret_patterns import _PREFIXES

_PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nq83v+/==\n-----END RSA PRIVATE KEY-----"
_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"

STRUCK = {
    "Authorization: Bearer abc.DEF-123_456": "Authorization: Bearer ***",
    "authorization: token 6f6e65": "authorization: token ***",
    "{'Authorization': 'Basic dXNlcjpwdw=='}": "{'Authorization': 'Basic ***'}",
    '{"Authorization":"Basic dXNlcjpwdw=="}': '{"Authorization":"Basic ***"}',
    "(b'Authorization', b'Bearer abcdef123456')": "(b'Authorization', b'Bearer ***')",
    "Proxy-Authorization: Basic QWxhZGRpbjpvcGVu": "Proxy-Authorization: Basic ***",
    "sent Bearer abcdefghij1234567890 to it": "sent Bearer *** to it",
    "password=hunter2 and more": "password=*** and more",
    "password = 'a b c', n=1": "password = '***', n=1",
    'PASSWORD="it\\"s one" next': 'PASSWORD="***" next',
    "passwd:hunter2": "passwd:***",
    "passphrase: correct-horse": "passphrase: ***",
    '{"api_key": "k", "n": 5}': '{"api_key": "***", "n": 5}',
    '{\\"token\\": \\"abcdef\\"}': '{\\"token\\": \\"***\\"}',
    "{'client_secret': 'x/y+z'}": "{'client_secret': '***'}",
    "apiKey=abc&page=2": "apiKey=***&page=2",
    "X-Api-Key: abc": "X-Api-Key: ***",
    "GITHUB_TOKEN=abc;HOME=/root": "GITHUB_TOKEN=***;HOME=/root",
    "AWS_SECRET_ACCESS_KEY=wJalr/XUtn+FEMI": "AWS_SECRET_ACCESS_KEY=***",
    "password=123456": "password=***",
    "token: password: abc": "token: password: ***",
    "Server=s;Uid=sa;Pwd=abc;Database=d": "Server=s;Uid=sa;Pwd=***;Database=d",
    "https://h/p?X-Amz-Signature=0f0f&a=1": "https://h/p?X-Amz-Signature=***&a=1",
    "https://h/p?sv=1&sig=abc%2B&se=2": "https://h/p?sv=1&sig=***&se=2",
    "run --api-key abc --out x": "run --api-key *** --out x",
    "['x', '--password', 'hunter2', '-v']": "['x', '--password', '***', '-v']",
    "postgresql://me:p@ss@db.example:5432/x": "postgresql://me:***@db.example:5432/x",
    "redis://:abc@h:6379/0": "redis://:***@h:6379/0",
    "https://0123456789abcdef0123456789abcdef@sentry.example/1": "https://***@sentry.example/1",
    "key sk-proj-Abc123456789xyz here": "key *** here",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a": MARK,
    "github_pat_11AAAAAAA0abcdefghijkl": MARK,
    "xoxb-123456789012-abcdefghij": MARK,
    "AKIAIOSFODNN7EXAMPLE": MARK,
    "AIzaSyD-1234567890abcdefghijklmnopqrstu": MARK,
    "glpat-abcdefgh12345678": MARK,
    f"jwt {_JWT}.": "jwt ***.",
    f"read {_PEM} ok": "read -----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY----- ok",
    "-----BEGIN PRIVATE KEY-----\\nMIIEowIBAAKC": "-----BEGIN PRIVATE KEY-----***",
    f"AccountName=a;AccountKey={'A' * 86}==;": "AccountName=a;AccountKey=***;",
}

LEFT = [
    "agent 'research_agent' needs secret 'GITHUB_TOKEN', which does not exist here",
    "token: expired",
    "the secret: missing, the password: wrong.",
    "max_tokens=4096 tokens: 512, output_tokens=7 token_count: 9",
    "def login(user: str, password: str, token: Optional[str]) -> None",
    "password=None token=null api_key=''",
    "api_key=SecretStr('**********')",
    "token_file=/run/x token_url=https://login.example/token secret_name=db",
    "PWD=/home/me OLDPWD=/",
    "the basic idea of bearer tokens is simple",
    "monkey=banana keyboard: qwerty primary_key=id",
    "http://127.0.0.1:4200/api/flow_runs and mail@example.org",
    "task-1 risk-averse disk-0123456789abcdef-long",
    "0123456789abcdef0123456789abcdef 3f2504e0-4f89-11d3-9a0c-0305e82c3301",
    "/var/lib/genesis/runs/20261122-154302-40ca9a/files/00012-lint/report.md",
    "2026-11-22T15:43:02.123456+00:00 took 12.5 s, 3,000 tokens and $0.25",
    "the password of user is not shown",
    "",
]


@pytest.mark.parametrize(("text", "wanted"), STRUCK.items(), ids=range(len(STRUCK)))
def test_a_secret_is_struck_out_of_its_text(text, wanted):
    assert redact(text) == wanted
    assert redact(wanted) == wanted


@pytest.mark.parametrize("text", LEFT)
def test_ordinary_text_is_left(text):
    assert redact(text) is text


@pytest.mark.parametrize("prefix", _PREFIXES)
def test_a_token_with_a_known_prefix_is_struck_out_wherever_it_stands(prefix):
    token = f"{prefix}Ab3dEf6hIj9lMn2pQr5t"
    for text in (token, f"x={token}", f'"{token}"', f"see {token}, and", f"a\n{token}\nb"):
        assert token not in redact(text)


@pytest.mark.parametrize("form", KNOWN, ids=lambda form: form.kind)
def test_every_form_of_the_audits_scanner_is_looked_for(form):
    """The quick look at a text, before all patterns, must not miss one."""
    from genesis.security import secret_patterns as shapes

    for mark in form.marks:
        assert shapes._is_marked(f"a {mark}0123456789abcdef") or mark == "://"


def test_known_values_are_struck_out_wherever_they_stand():
    assert redact("a correct horse battery b", ["correct horse"]) == "a *** battery b"
    assert redact("xcorrecthorsebatteryx", ["correcthorsebattery"]) == "x***x"


def test_a_short_known_value_of_letters_counts_as_a_word_only():
    assert redact("postgresql as postgres, postgres2", ["postgres"]) == "postgresql as ***, postgres2"


def test_a_known_value_of_five_characters_is_not_looked_for():
    assert redact("apple pie", ["apple", ""]) == "apple pie"


def test_overlapping_secrets_leave_one_mark():
    assert redact("password=abcdefgh", ["abcdef", "cdefgh", "=abcdefg"]) == "password***"
    assert redact("aaaaaaaaa!", ["a" * 6]) == "aaaaaaaaa!"
    assert redact("ab-ab-ab-ab!", ["ab-ab-ab"]) == "***!"


def test_a_known_value_that_names_a_secret_does_not_uncover_another():
    assert "hunter22" not in redact("password=hunter22", ["password"])


def test_data_keeps_its_shape():
    value = {
        "user": "me",
        "password": "x",
        "pin_secret": 123456,
        "tokens": 512,
        "token": None,
        "is_secret": True,
        "env": [{"API_KEY": "k"}, "GITHUB_TOKEN=abc", 1.5, ("a", "b")],
        "credentials": {"user": "u", "deep": ["v", 0]},
    }
    assert redact_values(value) == {
        "user": "me",
        "password": MARK,
        "pin_secret": MARK,
        "tokens": 512,
        "token": None,
        "is_secret": True,
        "env": [{"API_KEY": MARK}, "GITHUB_TOKEN=***", 1.5, ("a", "b")],
        "credentials": {"user": MARK, "deep": [MARK, MARK]},
    }


def test_known_values_are_struck_out_of_keys_too():
    assert redact_values({"correct horse": ["correct horse"]}, ["correct horse"]) == {MARK: [MARK]}


def test_data_that_is_too_deep_ends_in_a_mark():
    value = deep = []
    for _ in range(500):
        deep.append([])
        deep = deep[0]
    assert MARK in str(redact_values(value))


_LONG = 200_000
_NASTY = [
    "a", "token", "token=", "token:", "token: ", "tokentoken_-.", "password='", 'password="\\', '\\"password\\":\\"',
    "--token ", "--token --", "authorization: ", "bearer ", "bearer a", "basic ", "://", "://a:", "://a:b@", "a://b:c",
    "eyJ", ".eyJaaaaaaaa", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----aaaaaaaaa ", "aws secret sk ",
    "aws sk=====\n", "awssk", "sk-", "sk-a", "sk-1", "0123456789:AA", ":AA", "=", ":", '"', "\\", "'\"", "-", "_", "SK",
    " ", "\n", "x-amz-signature=", "&sig=",
]  # fmt: skip


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", [*_NASTY, *(f" {mark}a1" for form in KNOWN for mark in form.marks)])
def test_a_long_text_of_anything_is_looked_through(piece):
    """It takes half a second at worst; what backtracks over its whole length would take minutes."""
    redact(piece * (_LONG // len(piece)), ["aaaaaaaaaaaaaaaab"])

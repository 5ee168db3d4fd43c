import json
import random
import string

import pytest

from genesis.agents.toolkit import secrets

RANDOM = random.Random(7)


def _letters(count, alphabet=string.ascii_letters + string.digits):
    return "".join(RANDOM.choice(alphabet) for _ in range(count))


KNOWN = {
    "AWS access key": "AKIA" + _letters(16, "ABCDEFGHJKMNPQRSTUVWXYZ234567"),
    "GitHub token": "ghp_" + _letters(36),
    "GitLab token": "glpat-" + _letters(20),
    "Slack token": "xoxb-" + _letters(30),
    "Stripe key": "sk_live_" + _letters(24),
    "Google API key": "AIza" + _letters(35),
    "Anthropic key": "sk-ant-" + _letters(60),
    "OpenAI key": "sk-proj-" + _letters(24) + "T3BlbkFJ" + _letters(24),
    "Hugging Face token": "hf_" + _letters(34, string.ascii_letters),
    "npm token": "npm_" + _letters(36),
    "PyPI token": "pypi-AgEIcHlwaS5vcmc" + _letters(60),
    "Prefect key": "pnu_" + _letters(36),
    "SendGrid key": f"SG.{_letters(22)}.{_letters(43)}",
    "DigitalOcean token": "dop_v1_" + _letters(64, "0123456789abcdef"),
    "Databricks token": "dapi" + _letters(32, "0123456789abcdef"),
    "Vault token": "hvs." + _letters(30),
    "Linear key": "lin_api_" + _letters(40),
    "Azure storage key": "AccountKey=" + _letters(86) + "==",
}


@pytest.mark.parametrize("kind", KNOWN)
def test_known_forms_are_found_and_never_repeated(project, kind):
    project.write("src/a.py", f"x = 1\nVALUE = '{KNOWN[kind]}'\n")
    answer = secrets.run(project.root)
    assert [(row["path"], row["line"], row["kind"], row["severity"]) for row in answer["secrets"]] == [
        ("src/a.py", 2, kind, "high")
    ]
    text = json.dumps(answer)
    value = KNOWN[kind].removeprefix("AccountKey=")
    assert value not in text
    assert value[:5] not in text.replace(kind, "")
    assert len(answer["secrets"][0]["fingerprint"]) == 12


def test_private_keys_need_a_body(project):
    begin = "-----BEGIN RSA PRIVATE KEY-----"
    project.write("key.pem", f"{begin}\n{_letters(64)}\n-----END RSA PRIVATE KEY-----\n")
    project.write("inline.json", json.dumps({"private_key": f"-----BEGIN PRIVATE KEY-----\n{_letters(64)}\n"}))
    project.write("code.py", f"if text.startswith('{begin}'):\n    pass\n")
    assert [(row["path"], row["kind"]) for row in secrets.run(project.root)["secrets"]] == [
        ("inline.json", "private key"),
        ("key.pem", "private key"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "password = 'tR7#kq92Lm!x'",
        'DB_PASSWORD: "tR7#kq92Lm!x"',
        '{"api_key": "9f8a7Kd02kfLq1Zx77"}',
        "client_secret => 'Zk93jf02KfLq1Zx77'",
    ],
)
def test_assigned_secrets_are_found_without_giving_them_away(project, line):
    project.write("src/a.py", line + "\n")
    answer = secrets.run(project.root)
    assert [(row["kind"], row["severity"], row["masked"]) for row in answer["secrets"]] == [
        ("password or token in an assignment", "medium", "…")
    ]
    assert "tR7" not in json.dumps(answer)
    assert "Zx77" not in json.dumps(answer)


@pytest.mark.parametrize(
    "line",
    [
        "password = 'changeme123'",
        "password = os.environ['DB_PASSWORD']",
        "password = 'your-password-here'",
        "token = '${GITHUB_TOKEN}'",
        "token = '{{ secrets.TOKEN }}'",
        "secret_name = 'projects/x/secrets/y9Kd02kfLq'",
        "password_field = 'user_password_input'",
        "TOKEN_URL = 'https://auth.h/oauth2/token9Kd02'",
        "api_key: str",
        "password = 'aaaaaaaaaaaa'",
        "token = 'next_page_token'",
        "SECRET = 'AKIAIOSFODNN7EXAMPLE'",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "def get_token(self): return 'x'",
        "key = 'tR7#kq92Lm!x'",
        "password_help = 'tR7#kq92Lm!x'",
        "postgres://user:${PASSWORD}@db.h/x",
        "postgres://user:password@db.h/x",
        "postgres://postgres:kd93Kf02@localhost:5432/x",
        "url = 'https://h/a:b@c'",
        "sha256:" + "a1b2c3d4" * 8,
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(project, line):
    project.write("src/a.py", line + "\n")
    project.write("src/.conf", line + "\n")
    assert secrets.run(project.root)["secrets"] == []


def test_bare_values_in_settings_files(project):
    project.write("prod.env", "# c\nexport API_TOKEN=9f8a7Kd02kfLq1Zx77\nDEBUG=true\nDB_PASSWORD=\n")
    project.write("a.py", "API_TOKEN=9f8a7Kd02kfLq1Zx77\n")
    assert [(row["path"], row["line"]) for row in secrets.run(project.root)["secrets"]] == [("prod.env", 2)]


def test_password_in_an_address(project):
    project.write("a.yaml", "url: amqp://svc:kd93Kf02LmQ@mq.corp.example.net:5672/\n".replace("example", "acme"))
    answer = secrets.run(project.root)
    assert [row["kind"] for row in answer["secrets"]] == ["password in an address"]
    assert "kd93" not in json.dumps(answer)


def test_tests_examples_and_test_keys_are_low(project, titles):
    project.write("tests/test_a.py", f"x = '{KNOWN['GitHub token']}'\n")
    project.write("docs/a.md", f"x = '{KNOWN['GitHub token']}'\n")
    project.write("src/a.py", f"x = 'sk_test_{_letters(24)}'\n")
    answer = secrets.run(project.root)
    assert answer["by_severity"] == {"high": 0, "medium": 0, "low": 3}
    assert titles(answer) == ["3 possible secrets in tests, examples or documentation"]


def test_lock_files_and_allowed_lines_are_left_out(project):
    project.write("uv.lock", f"x = '{KNOWN['GitHub token']}'\n")
    project.write("a.py", f"x = '{KNOWN['GitHub token']}'  # pragma: allowlist secret\n")
    answer = secrets.run(project.root)
    assert (answer["count"], answer["allowed"]) == (0, 1)


def test_one_secret_a_line_by_its_known_form(project):
    project.write("a.py", f"API_TOKEN = '{KNOWN['GitHub token']}'\n")
    assert [row["kind"] for row in secrets.run(project.root)["secrets"]] == ["GitHub token"]


def test_two_secrets_close_to_each_other_are_both_found(project):
    project.write("a.py", f"a = '{KNOWN['GitHub token']}'\nb = 'ghp_{_letters(36)}'\n")
    assert [row["line"] for row in secrets.run(project.root)["secrets"]] == [1, 2]


def test_files_that_hold_keys_are_findings(repository, titles):
    repository.write(".env", "A=1\n")
    repository.write(".env.example", "A=\n")
    repository.write("store.p12", b"\0")
    repository.write("deploy/id_rsa", "x")
    answer = secrets.run(repository.root)
    assert [(each["where"], each["severity"]) for each in answer["findings"]] == [
        (".env", "medium"),
        ("deploy/id_rsa", "medium"),
        ("store.p12", "medium"),
    ]


def test_hostile_text_takes_no_time(project):
    project.write("a.txt", "://" * 300_000)
    project.write("b.txt", "password=" * 100_000)
    project.write("c.txt", "eyJ" * 300_000)
    project.write("d.txt", "a" * 1_000_000)
    project.write("e.txt", "aws" * 200_000)
    answer = secrets.run(project.root, time_limit_s=60)
    assert answer["count"] == 0


def test_upper_case_letters_that_grow_in_lower_case_keep_positions_right(project):
    project.write("a.py", "İ" * 50 + "\npassword = 'tR7#kq92Lm!x'\n")
    assert [row["line"] for row in secrets.run(project.root)["secrets"]] == [2]

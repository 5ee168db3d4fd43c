import json
import pickle
import random
import string
from base64 import b64encode

import pytest

from genesis_audit import secrets
from genesis_audit.secret_rules import find_secrets

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


def test_files_that_hold_keys_are_one_finding_a_kind(repository):
    repository.write(".env", "A=1\n")
    repository.write("api/.env.production", "A=1\n")
    repository.write(".env.example", "A=\n")
    repository.write("store.p12", b"\0")
    repository.write("deploy/id_rsa", "x")
    repository.write("tests/store.jks", b"\0")
    answer = secrets.run(repository.root)
    assert [(each["severity"], each["title"], each["where"]) for each in answer["findings"]] == [
        ("medium", "2 files of a kind that holds keys or passwords", "deploy/id_rsa"),
        ("low", "2 environment files not ignored by git", ".env"),
    ]


def test_a_key_file_whose_content_is_reported_is_not_reported_again(repository, titles):
    repository.write("deploy/id_rsa", f"-----BEGIN OPENSSH PRIVATE KEY-----\n{_letters(64)}\n")
    assert titles(secrets.run(repository.root)) == ["A secret is in the repository: private key"]


def test_many_secrets_of_a_kind_are_one_finding(project):
    for number in range(7):
        project.write(f"src/{number}.py", f"x = 'ghp_{_letters(36)}'\n")
    findings = secrets.run(project.root)["findings"]
    assert [(each["title"], each["where"], each["detail"][-10:]) for each in findings] == [
        ("7 secrets are in the repository: GitHub token", "src/0.py:1", "nd 2 more.")
    ]


_LONG = _letters(48)
_HEX = _letters(32, "0123456789abcdef")


@pytest.mark.parametrize(
    ("path", "line", "severity"),
    [
        ("a.py", f"KEY = 'sk-proj-{_LONG}'", "high"),
        ("a.py", f"KEY = 'sk-svcacct-{_LONG}'", "high"),
        ("a.py", f"KEY = 'sk-ant-api03-{_LONG}-AA'", "high"),
        ("a.py", f"KEY = 'gsk_{_LONG}aB3d'", "high"),
        ("a.py", f"KEY = 'xapp-1-A0{_HEX.upper()}'", "high"),
        ("a.py", f"KEY = 'rubygems_{_HEX}{_HEX[:16]}'", "high"),
        ("a.py", f"headers = {{'X-Api-Key': '{_HEX}'}}", "medium"),
        ("a.py", f"api_key: str = '{_HEX}'", "medium"),
        ("a.py", f"client(password='Xk29vLq81m', key='{_HEX}')", "medium"),
        ("A.java", 'ds.setPassword("Xk29vLq81m");', "medium"),
        ("A.java", f'map.put("api_key", "{_HEX}");', "medium"),
        ("a.go", 'password := "Xk29vLq81m"', "medium"),
        ("compose.yml", "      - MYSQL_PASSWORD=Tr0ub4dor&3x", "medium"),
        ("docker-compose.prod.yml", '      - "MYSQL_PASSWORD=Tr0ub4dor&3x"', "medium"),
        ("compose.yaml", "      MYSQL_PASSWORD: h8Kq2LzP0v", "medium"),
        ("compose.yaml", "      MYSQL_PASSWORD: wordpress", "low"),
        (".env", "DB_PASSWORD=Xk29vLq81m", "medium"),
        (".env.production", "export JWT_SECRET='9f8a7Kd02kfLq1Zx77'", "medium"),
        ("application.properties", "spring.datasource.password=Xk29vLq81m", "medium"),
        ("application.properties", f"api.key={_HEX}", "medium"),
        ("appsettings.json", f'  "ApiKey": "{_HEX}",', "medium"),
        (
            "appsettings.json",
            '"Default": "Server=db01.corp.net;Database=x;User Id=sa;Password=Xk29vLq81m;"',
            "high",
        ),
        ("prod.tfvars", 'db_password = "Xk29vLq81m"', "medium"),
        ("web.config", f'<add key="ApiKey" value="{_HEX}" />', "medium"),
        ("settings.xml", "<password>Xk29vLq81m</password>", "medium"),
        (".npmrc", f"//registry.corp.net/:_authToken={_HEX}", "medium"),
        ("values.yaml", "  adminPassword: Xk29vLq81m", "medium"),
        ("deploy.sh", "mysql --password=Xk29vLq81m db", "medium"),
        ("deploy.sh", f"API_TOKEN={_HEX} ./deploy", "medium"),
        (".github/workflows/a.yml", f"          API_TOKEN: {_HEX}", "medium"),
        ("a.yaml", "url: postgres://svc:kd93Kf02LmQ@db.prod.corp.net/x", "high"),
    ],
)
def test_secrets_are_found_in_the_notation_of_each_kind_of_file(path, line, severity):
    found = find_secrets(path, f"# x\n{line}\n")
    assert [(each.line, each.severity) for each in found] == [(2, severity)]
    assert not any(len(word) > 7 and word in repr(found) for word in (_LONG, _HEX, "Xk29vLq81m", "kd93Kf02LmQ"))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("README.md", "password = 'tR7#kq92Lm!x'"),
        ("docs/setup.adoc", "DB_PASSWORD=Xk29vLq81m"),
        ("guide.html", "password: 'tR7#kq92Lm!x'"),
        ("src/a.py", "# password = 'tR7#kq92Lm!x'"),
        ("src/a.py", 'def f():\n    """Log in.\n\n    password = \'tR7#kq92Lm!x\'\n    """'),
        ("src/a.ts", "  // apiKey: 'tR7kq92Lm0x'"),
        ("src/A.java", ' * password = "tR7kq92Lm0x"'),
        ("src/test/java/ATest.java", 'String password = "tR7kq92Lm0x";'),
        ("Src/App.Tests/A.cs", 'var password = "tR7kq92Lm0x";'),
        ("tests/fixtures/secret.yaml", "apiVersion: v1\nkind: Secret\nstringData:\n  password: tR7kq92Lmx\n"),
        ("examples/compose.yaml", "      - MYSQL_PASSWORD=Tr0ub4dor&3x"),
        ("vendor/lib/a.php", "$password = 'tR7kq92Lm0x';"),
        ("a.yaml", "key: AKIAIOSFODNN7EXAMPLE"),
        ("a.yaml", "aws_secret_access_key: wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        ("a.json", f'"integrity": "sha512-{_LONG}{_LONG}=="'),
        ("a.py", f"TOKEN_SHA256 = '{_HEX}{_HEX}'"),
        ("a.py", "API_KEY = '123e4567-e89b-42d3-a456-426614174000'"),
        ("a.yml", "password: {{ vault_password }}"),
        ("a.yml", "password: !vault |"),
        ("a.yml", "PASSWORD: ${{ secrets.PASSWORD }}"),
        ("compose.yml", "      - MYSQL_PASSWORD=${MYSQL_PASSWORD:-x9Kd02kfLq}"),
        ("compose.yml", "      - MYSQL_PASSWORD_FILE=/run/secrets/db"),
        ("compose.yml", "      - MYSQL_PASSWORD=changeme"),
        ("compose.yml", "      - MYSQL_PASSWORD"),
        (".env", "API_KEY=<your-api-key>"),
        (".env", "API_KEY=your-api-key-here"),
        ("a.py", "KEY = 'sk-proj-your-key-goes-here-1234567890'"),
        ("a.py", "KEY = 'sk-ant-api03-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"),
        ("a.py", "KEY = 'ghp_abcdefghijklmnopqrstuvwxyz0123456789'"),
        ("id_rsa.pub", f"ssh-rsa AAAAB3NzaC1yc2EAAA{_LONG}{_LONG} me@h"),
        ("a.pem", f"-----BEGIN PUBLIC KEY-----\n{_LONG}\n"),
        ("a.pem", f"-----BEGIN CERTIFICATE-----\n{_LONG}\n"),
        ("a.yaml", "url: postgres://svc:kd93Kf02LmQ@localhost/x"),
        ("a.yaml", "url: postgres://svc:kd93Kf02LmQ@db:5432/x"),
        ("a.yaml", "url: https://user:kd93Kf02LmQ@example.com/x"),
        ("a.yaml", "url: https://user:pass@git.corp.net/x"),
        ("a.json", '"c": "Server=localhost;User Id=sa;Password=Xk29vLq81m;"'),
        ("package-lock.json", f'"token": "{_HEX}"'),
        ("a.rb", "token = request.headers['X-Auth-Token2']"),
        ("a.ts", "passwordLabel: 'Enter2Your9Kd02kfLq'"),
        ("a.ts", "const tokenType = 'Bearer9Kd02kfLq';"),
        ("a.py", "Form('Service token', 'svc9Kd02kfLq')"),
        ("a.py", "secret_sauce = 'tR7ß#kq92Lm!x'"),
    ],
)
def test_examples_references_and_public_values_are_no_secrets(path, line):
    assert find_secrets(path, line + "\n") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("stringData:\n  password: tR7kq92Lmx\n", (5, "value of a Kubernetes Secret", "high")),
        (f"data:\n  db-password: {b64encode(b'tR7kq92Lmx1').decode()}\n", (5, "value of a Kubernetes Secret", "high")),
        ("stringData:\n  app.yaml: |\n    password: Qz82kfPw91x\n", (6, "value of a Kubernetes Secret", "high")),
        (
            f"data:\n  tls.key: {b64encode(f'-----BEGIN PRIVATE KEY-----{chr(10)}{_LONG}'.encode()).decode()}\n",
            (5, "value of a Kubernetes Secret", "high"),
        ),
        (
            f"data:\n  password: {b64encode(b'letmein').decode()}\n",
            (5, "plain password in a deployment file", "low"),
        ),
        ("stringData:\n  username: tR7kq92Lmx\n", None),
        ("stringData:\n  password: ${DB_PASSWORD}\n", None),
        ("stringData:\n  password: '{{ .Values.password }}'\n", None),
        ("stringData:\n  password: ENC[AES256_GCM,data:tR7kq92Lmx]\nsops: {}\n", None),
        (f"data:\n  ca.crt: {b64encode(b'-----BEGIN CERTIFICATE-----').decode()}\n", None),
        ("data: [1]\nstringData: 3\n", None),
        ("data:\n  password: '%%%'\n  token: {a: b}\n", None),
    ],
)
def test_values_of_kubernetes_secrets(text, found):
    answer = find_secrets("deploy/secret.yaml", f"apiVersion: v1\nkind: Secret\nmetadata: {{}}\n{text}")
    assert [(each.line, each.kind, each.severity) for each in answer] == ([found] if found else [])


def test_a_token_of_a_known_form_in_a_comment_is_low():
    (found,) = find_secrets("src/a.py", f"# x = '{KNOWN['GitHub token']}'\n")
    assert found.severity == "low"


def test_found_secrets_travel_between_processes():
    found = find_secrets("a.py", f"x = '{KNOWN['GitHub token']}'\n")
    assert pickle.loads(pickle.dumps(found)) == found


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


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("src/main/java/com/example/demo/A.java", "high"),
        ("src/main/resources/com/example/a.properties", "high"),
        ("examples/src/main/java/com/acme/A.java", "low"),
        ("src/test/java/com/acme/A.java", "low"),
    ],
)
def test_a_package_of_a_jvm_language_makes_a_secret_no_example(project, path, severity):
    project.write(path, f'key = "{KNOWN["GitHub token"]}"\n')
    assert [row["severity"] for row in secrets.run(project.root)["secrets"]] == [severity]


@pytest.mark.parametrize(
    ("path", "text", "severities"),
    [
        ("compose.yaml", "services:\n  a:\n    environment: {ADMIN_PASSWORD: kR8vQx2Lm9}\n", ["medium"]),
        ("compose.yaml", "services:\n  a:\n    environment: [MYSQL_PASSWORD=kR8vQx2Lm9, A_USER=b]\n", ["medium"]),
        ("docker-compose.yml", "services:\n  a:\n    environment:\n      - MYSQL_PASSWORD=toor\n", ["low"]),
        ("docker-compose.yml", "services:\n  a:\n    environment:\n      MYSQL_PASSWORD: toor\n", ["low"]),
        ("docker-compose.yml", "services:\n  a:\n    environment:\n      A_PASSWORD: ${B:-c}\n      C_PASSWORD:\n", []),
        ("docker-compose.yml", "services:\n  a:\n    command: redis-server --requirepass kfj39sPq2x\n", ["medium"]),
        ("docker-compose.yml", 'services:\n  a:\n    command: ["--admin-password", "kfj39sPq2x"]\n', ["medium"]),
        ("deploy.yaml", "kind: Deployment\nenv:\n- name: DB_PASSWORD\n  value: kR8vQx2Lm9\n", ["medium"]),
        ("deploy.yaml", "kind: Deployment\nenv:\n- name: DB_PASSWORD\n  value: $(OTHER)word1\n", []),
        ("deploy.yaml", "kind: Deployment\nenv:\n- name: DB_PASSWORD\n  valueFrom: {secretKeyRef: {key: a1}}\n", []),
    ],
)
def test_passwords_of_deployments_in_every_form(path, text, severities):
    assert [secret.severity for secret in find_secrets(path, text)] == severities


@pytest.mark.parametrize(
    "name",
    [
        ".env.example",
        ".env.sample",
        "env.example",
        ".env.template",
        ".env.dist",
        ".env-example",
        "sample.env",
    ],
)
def test_examples_of_environment_files_are_no_findings(repository, name):
    repository.write(f"config/{name}", "DB_PASSWORD=kR8vQx2Lm9\nAPI_KEY=Zx8Kp2Lq9Vw3Rt6Yb1\n")
    assert secrets.run(repository.root)["findings"] == []

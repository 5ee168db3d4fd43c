import pytest

from genesis_audit import pins


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Click==8.1", ("click", "==8.1", "exact", "")),
        ("a_b===1", ("a-b", "===1", "exact", "")),
        ("a==1.*", ("a", "==1.*", "bounded", "")),
        ("a~=1.2", ("a", "~=1.2", "bounded", "")),
        ("a>=1,<2; python_version < '3.9'", ("a", "<2,>=1", "bounded", 'python_version < "3.9"')),
        ("a[x]>=1", ("a", ">=1", "open", "")),
        ("a!=1", ("a", "!=1", "unpinned", "")),
        ("a", ("a", "", "unpinned", "")),
        ("a @ git+https://h/r@abc#egg=a", ("a", "git+https://h/r@abc", "direct", "")),
        ("not a requirement!", None),
    ],
)
def test_python_requirement(text, found):
    assert pins.python_requirement(text) == found


@pytest.mark.parametrize(
    ("ecosystem", "text", "pin"),
    [
        ("python", "*", "unpinned"),
        ("python", "^1.2", "bounded"),
        ("python", "1.2.3", "exact"),
        ("python", ">=1,!=1.5.*", "open"),
        ("python", ">=1,<2", "bounded"),
        ("npm", "1.2.3", "exact"),
        ("npm", "1.2", "bounded"),
        ("npm", "^1.2.3", "bounded"),
        ("npm", "1.x", "bounded"),
        ("npm", ">=1.2", "open"),
        ("npm", ">=1 <2", "bounded"),
        ("npm", "1.0.0 - 2.0.0", "bounded"),
        ("npm", "latest", "unpinned"),
        ("npm", "github:a/b", "direct"),
        ("npm", "a/b#main", "direct"),
        ("npm", "file:../x", "direct"),
        ("npm", "workspace:*", "direct"),
        ("npm", "npm:@s/other@1.0.0", "exact"),
        ("npm", "catalog:", "bounded"),
        ("rust", "1.2", "bounded"),
        ("rust", "=1.2.3", "exact"),
        ("rust", ">=1", "open"),
        ("ruby", "~> 1.0", "bounded"),
        ("ruby", "= 1.0", "exact"),
        ("ruby", ">= 1", "open"),
        ("composer", "^1 || ^2", "bounded"),
        ("composer", "dev-main", "unpinned"),
        ("maven", "[1.0,2.0)", "bounded"),
        ("maven", "[1.0,)", "open"),
        ("maven", "[1.0]", "exact"),
        ("maven", "1.+", "bounded"),
        ("maven", "LATEST", "unpinned"),
        ("maven", "31.1-jre", "exact"),
        ("haskell", "^>=1.2", "bounded"),
    ],
)
def test_pin_of_a_constraint(ecosystem, text, pin):
    assert pins.pin_of(text, ecosystem) == pin


@pytest.mark.parametrize(
    ("text", "pin"), [("a" * 40, "exact"), ("v4", "bounded"), ("main", "unpinned"), ("", "unpinned")]
)
def test_pin_of_an_action(text, pin):
    assert pins.action_pin(text) == pin


@pytest.mark.parametrize(
    ("tag", "digest", "pin"),
    [
        ("3.12", "", "bounded"),
        ("latest", "", "unpinned"),
        ("slim", "", "unpinned"),
        ("", "", "unpinned"),
        ("", "sha256:a", "exact"),
    ],
)
def test_pin_of_an_image(tag, digest, pin):
    assert pins.image_pin(tag, digest) == pin

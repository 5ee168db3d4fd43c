import pytest

from genesis.agents.toolkit import pins


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Click==8.1", ("click", "==8.1", "exact")),
        ("a_b===1", ("a-b", "===1", "exact")),
        ("a==1.*", ("a", "==1.*", "bounded")),
        ("a~=1.2", ("a", "~=1.2", "bounded")),
        ("a>=1,<2; python_version < '3.9'", ("a", "<2,>=1", "bounded")),
        ("a[x]>=1", ("a", ">=1", "open")),
        ("a!=1", ("a", "!=1", "unpinned")),
        ("a", ("a", "", "unpinned")),
        ("a @ git+https://h/r@abc#egg=a", ("a", "git+https://h/r@abc", "direct")),
        ("not a requirement!", None),
    ],
)
def test_python_requirement(text, found):
    assert pins.python_requirement(text) == found


@pytest.mark.parametrize(
    ("judge", "text", "pin"),
    [
        (pins.python_pin, "*", "unpinned"),
        (pins.python_pin, "^1.2", "bounded"),
        (pins.python_pin, "~1.2", "bounded"),
        (pins.python_pin, "1.2.3", "exact"),
        (pins.python_pin, "==1.2", "exact"),
        (pins.python_pin, ">=1", "open"),
        (pins.python_pin, ">=1,<2", "bounded"),
        (pins.python_pin, "^1 || ^2", "bounded"),
        (pins.npm_pin, "1.2.3", "exact"),
        (pins.npm_pin, "^1.2.3", "bounded"),
        (pins.npm_pin, "1.x", "bounded"),
        (pins.npm_pin, ">=1.2", "open"),
        (pins.npm_pin, ">=1 <2", "bounded"),
        (pins.npm_pin, "latest", "unpinned"),
        (pins.npm_pin, "github:a/b", "direct"),
        (pins.npm_pin, "a/b#main", "direct"),
        (pins.npm_pin, "file:../x", "direct"),
        (pins.npm_pin, "npm:other@1.0.0", "exact"),
        (pins.cargo_pin, "1.2", "bounded"),
        (pins.cargo_pin, "=1.2.3", "exact"),
        (pins.cargo_pin, "*", "unpinned"),
        (pins.cargo_pin, ">=1", "open"),
        (pins.gem_pin, "~> 1.0", "bounded"),
        (pins.gem_pin, "1.0", "exact"),
        (pins.gem_pin, "= 1.0", "exact"),
        (pins.gem_pin, ">= 1", "open"),
        (pins.gem_pin, "", "unpinned"),
        (pins.action_pin, "a" * 40, "exact"),
        (pins.action_pin, "v4", "bounded"),
        (pins.action_pin, "main", "unpinned"),
        (pins.action_pin, "", "unpinned"),
    ],
)
def test_pin_of_a_constraint(judge, text, pin):
    assert judge(text) == pin


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

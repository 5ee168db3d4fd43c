"""What a tenant may be called, and how it travels."""

import pytest

from genesis.errors import UsageError
from genesis.model.tenant import check_tenant, tenant_in_tags, tenant_tag


@pytest.mark.parametrize("name", [None, "acme", "a", "team-7", "a.b_c+d@e", "Übung", "x" * 63])
def test_names_that_are_taken(name):
    assert check_tenant(name) == name


@pytest.mark.parametrize("name", ["", " ", "a b", "a,b", "a:b", "a/b", "-a", "x" * 64, "a\n", "a\x00"])
def test_names_that_are_refused(name):
    with pytest.raises(UsageError, match="is not a valid tenant name"):
        check_tenant(name)


def test_a_tag_tells_the_tenant():
    assert tenant_in_tags(["genesis", tenant_tag("acme")]) == "acme"
    assert tenant_in_tags(["genesis", "tenant:"]) is None

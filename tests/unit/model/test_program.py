from decimal import Decimal

from genesis.model import Leaf


def _leaf(after: tuple[int, ...]) -> Leaf:
    return Leaf(
        index=0,
        path="a",
        agent="x",
        after=after,
        type="t",
        description="d",
        fingerprint="0",
        seconds=1,
        usd=Decimal(1),
        tokens=0,
    )


def test_leaves_share_the_tuple_of_what_they_come_after():
    shared = tuple(range(1000))
    assert _leaf(shared).after is _leaf(shared).after is shared

"""Which work is measured at which depths."""

from __future__ import annotations

import pytest
from make.records import make_model, make_served

from harness.errors import UsageError
from harness.measure.depths import behind_depths

HERE, THERE = [make_model()], [make_served()]


def test_each_depth_is_a_workload_and_what_has_none_stays() -> None:
    assert behind_depths((), (0, 64), HERE) == ("pp512", "pp512@d64", "tg128", "tg128@d64")
    assert behind_depths((), (0, 4096), THERE) == ("pp64+tg128", "pp4096+tg128")
    assert behind_depths(("tg8", "chat"), (0, 64), HERE) == ("tg8", "tg8@d64", "chat")
    assert behind_depths(("tg8@d9", "tg8"), (64,), HERE) == ("tg8@d9", "tg8@d64")


def test_one_depth_is_enough_beside_what_has_none() -> None:
    assert behind_depths(("tg8", "chat"), (0,), HERE) == ("tg8", "chat")


def test_where_nothing_can_be_deep_it_is_refused() -> None:
    with pytest.raises(UsageError, match="chat is at no depth of its own"):
        behind_depths(("chat",), (0, 64), HERE)

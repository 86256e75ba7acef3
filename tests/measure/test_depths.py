"""Which work is measured at which depths."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.records import SETTINGS, make_machine, make_model, make_served

from harness.errors import UsageError
from harness.measure.depths import DepthsAsked, Means, _Seeker, at_depths, behind_depths
from harness.models.find import local_model
from harness.schema.workload import parse_workload

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


def test_what_has_a_depth_of_its_own_takes_no_time_from_how_deep_others_go(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = local_model(tiny_model, "tiny")

    def deepest(workloads: tuple[str, ...], budget_ns: int) -> int:
        asked = DepthsAsked("auto", workloads, [model.file], {model.key: tiny_model})
        names, _ = at_depths(asked, Means(make_machine(), SETTINGS, budget_ns))
        return max(parse_workload(name).depth for name in names)

    # So slow that the time, and not the memory, says where it ends.
    seeker = _Seeker(model, 8192, 100.0)
    monkeypatch.setattr(_Seeker, "of", lambda *_: seeker)
    budget_ns = next(it for it in map(int, (6e10, 1.2e11, 2.4e11)) if deepest(("tg8",), it))
    alone = deepest(("tg8",), budget_ns)
    assert 0 < alone < 4096
    assert deepest(("tg8", "verify1@d32", "verify2@d32", "verify4@d32"), budget_ns) == alone
    assert deepest(("tg8", "pp16"), budget_ns) < alone

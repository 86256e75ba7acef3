"""Which work is measured at which depths."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import SETTINGS, make_machine, make_model, make_served
from make.work import make_work

from harness.errors import UsageError
from harness.measure.depth_search import Means, Pace, Seeker
from harness.measure.depths import DepthsAsked, at_depths, behind_depths
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
        names, _ = at_depths(asked, Means(make_machine(), SETTINGS, budget_ns, 1))
        return max(parse_workload(name).depth for name in names)

    # So slow that the time, and not the memory, says where it ends.
    seeker = Seeker(model, 8192, Pace(model.work, 100.0, 100.0))
    monkeypatch.setattr(Seeker, "of", lambda *_: seeker)
    budget_ns = next(it for it in map(int, (6e10, 1.2e11, 2.4e11)) if deepest(("tg8",), it))
    alone = deepest(("tg8",), budget_ns)
    assert 0 < alone < 4096
    assert deepest(("tg8", "verify1@d32", "verify2@d32", "verify4@d32"), budget_ns) == alone
    assert deepest(("tg8", "pp16"), budget_ns) < alone


@given(st.integers(1, 60_000), st.integers(0, 60_000), st.sampled_from(("pp16", "tg8", "pp8+tg8")))
def test_what_is_deeper_or_longer_takes_longer(n_tokens: int, depth: int, name: str) -> None:
    pace = Pace(make_work(), 100.0, 10.0)
    assert pace.read_s(n_tokens, depth) <= pace.read_s(n_tokens, depth + 1)
    assert pace.read_s(n_tokens, depth) < pace.read_s(n_tokens + 1, depth)
    assert pace.write_s(n_tokens, depth) < pace.write_s(n_tokens + 1, depth)
    task = parse_workload(name)
    assert pace.run_s(task, 2) < pace.run_s(task, 3)


def test_a_run_fills_its_cache_once_and_makes_its_trials_and_a_warm_up() -> None:
    pace = Pace(make_work(attention=()), 100.0, 10.0)
    assert pace.run_s(parse_workload("pp200"), 4) == pytest.approx(5 * 2.0)
    assert pace.run_s(parse_workload("tg20"), 4) == pytest.approx(5 * 2.0)
    assert pace.run_s(parse_workload("tg20@d300"), 4) == pytest.approx(3.0 + 5 * 2.0)
    assert pace.run_s(parse_workload("sustain60"), 1) == pytest.approx(2 * 60.0)

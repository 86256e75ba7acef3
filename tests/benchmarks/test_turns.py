from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks import turns
from benchmarks.turns import Turn
from harness.schema.workload_turns import Turns
from harness.serving.server import RunningServer


def test_a_server_tells_what_each_turn_was(llama_server: RunningServer) -> None:
    found = turns.held(llama_server.url, Turns(3, 200, 60, 8))
    assert len(found) == 3
    assert found[0].n_cached < 60
    for before, turn in pairwise(found):
        assert turn.n_cached >= 0.9 * before.n_prompt
        assert turn.n_prompt > before.n_prompt
        assert turn.ttft_ns > 0
    # A byte is a token of this model: so exactly are texts cut, and the template adds some.
    assert 260 <= found[0].n_prompt < 360


def side(*later_ms: float) -> turns.Side:
    return [[Turn(5e9, 1000, 0), Turn(ms * 1e6, 1200, 1100)] for ms in later_ms]


def test_later_turns_are_compared_by_rounds() -> None:
    ratio = turns.later_ratio(side(102, 204, 51), side(100, 200, 50))
    assert ratio is not None
    assert ratio.ratio == pytest.approx(1.02)
    assert "yes" in turns.verdict(ratio)
    assert "no" in turns.verdict(turns.later_ratio(side(120, 241, 59), side(100, 200, 50)))
    assert "too few rounds" in turns.verdict(turns.later_ratio(side(1), side(1)))
    told = turns.table(side(102, 204), side(100, 200)).splitlines()
    assert told[-1].split() == ["2", "1100", "1200", "153", "ms", "1100", "1200", "150", "ms"]

"""A kept cache gives what computing everything gives, whether the model can rewind or not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from make import kept_probe
from make.other_kinds import mamba
from make.shapes import spec_of

from harness.engine.kept_cache import common_length
from harness.models.twin.stocks import stocks_for
from harness.models.twin.twin import write_twin
from tools.catalogue.shapes import layout_of

_TOKENS = st.lists(st.integers(0, 3), max_size=12)


@given(_TOKENS, _TOKENS)
def test_the_common_length_is_that_of_the_longest_common_beginning(
    a: list[int], b: list[int]
) -> None:
    n = common_length(np.array(a, np.int32), np.array(b, np.int32))
    assert a[:n] == b[:n]
    assert a[n : n + 1] != b[n : n + 1] or n == len(a) == len(b) or n in (len(a), len(b))


def probed(path: Path) -> dict[str, Any]:
    command = [sys.executable, kept_probe.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    told = json.loads(done.stdout)
    assert isinstance(told, dict)
    return told


def check(told: dict[str, Any]) -> list[int]:
    """How many tokens were kept each time, when each time gave what computing everything gives."""
    for n_kept, ours, whole in told["told"]:
        scale = max(map(abs, whole))
        assert np.allclose(ours, whole, atol=0.02 * scale), n_kept
    return [n_kept for n_kept, _, _ in told["told"]]


def test_of_a_model_that_can_rewind_the_common_beginning_is_kept(tiny_model: Path) -> None:
    told = probed(tiny_model)
    assert told["can_rewind"]
    assert check(told)[:7] == [0, 70, 20, 59, 70, 70, 70]


def test_sliding_windows_forget_and_are_kept_as_far_as_they_can_be(tmp_path: Path) -> None:
    spec = spec_of("gemma3")
    part = layout_of(spec, spec.variants[0]).part()
    path = tmp_path / "gemma3.gguf"
    write_twin(path, part, stocks_for([part], np.random.default_rng(1)), lambda _: None)
    told = probed(path)
    assert not told["can_rewind"]
    assert check(told)[:7] == [0, 70, 0, 0, 70, 70, 70]


def test_of_a_recurrent_model_all_is_kept_or_what_stood_there_or_nothing(tmp_path: Path) -> None:
    told = probed(mamba().write(tmp_path))
    assert not told["can_rewind"]
    # Behind an answer that does not go on: as much as was marked before it; else from the start.
    assert check(told)[:7] == [0, 70, 0, 0, 70, 70, 70]

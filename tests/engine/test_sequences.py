"""Several sequences in one context, against the same sequences each in a context of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from make.other_kinds import mamba

_PROBE = Path(__file__).parents[1] / "make" / "parallel_probe.py"


def probed(path: Path) -> dict[str, Any]:
    command = [sys.executable, str(_PROBE), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def assert_each_as_if_alone(told: dict[str, Any]) -> None:
    assert told["facts"] == [3 * 256, 256, 3]
    together, again, alone = (np.array(told[name]) for name in ("together", "again", "alone"))
    assert np.isfinite(alone).all()
    spread = alone.std()
    # Batches of other shapes round otherwise; another sequence's logits are as far away as any.
    assert np.abs(together - alone).max() < 0.02 * spread
    assert np.abs(together - alone[:, ::-1]).max() > spread
    assert (together.argmax(axis=-1) == alone.argmax(axis=-1)).all()
    assert np.abs(again - together).max() < 0.02 * spread


def test_each_of_several_sequences_gets_what_it_gets_alone(tiny_model: Path) -> None:
    told = probed(tiny_model)
    assert told["can_rewind"]
    assert_each_as_if_alone(told)


def test_so_it_is_with_recurrent_states_which_cannot_be_rewound(tmp_path: Path) -> None:
    told = probed(mamba().write(tmp_path))
    assert not told["can_rewind"]
    assert_each_as_if_alone(told)

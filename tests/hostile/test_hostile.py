from __future__ import annotations

import random
import time
from contextlib import closing
from pathlib import Path

import pytest

from hostile.attempt import Kind
from hostile.kinds import KINDS

_AT_LENGTH_S = 60


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_program_holds_for_a_minute(kind: Kind, tmp_path: Path) -> None:
    seed = random.randrange(1 << 32)
    deadline_s = time.monotonic() + _AT_LENGTH_S
    with closing(kind.attempts(tmp_path, random.Random(seed))) as attempts:
        for attempt in attempts:
            assert attempt.fault is None, f"{attempt.what} (seed {seed}): {attempt.fault}"
            if time.monotonic() > deadline_s:
                return

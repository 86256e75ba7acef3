"""
Whether the program holds against damaged files, kills, faults of a hub and what others wrote.

    python -m benchmarks.hostile --minutes 60
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click
from tabulate import tabulate

# What does the harm is shared with `make test-slow`, which does it for a minute of each kind.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from hostile.attempt import Kind
from hostile.kinds import KINDS

_SHOWN = 20


@click.command(help=__doc__)
@click.option("--minutes", type=float, default=10, show_default=True, help="In all.")
@click.option("--kind", "names", multiple=True, type=click.Choice([k.name for k in KINDS]))
@click.option("--seed", type=int, help="Tries the same again.")
def main(minutes: float, names: tuple[str, ...], seed: int | None) -> None:
    chosen = [kind for kind in KINDS if not names or kind.name in names]
    seed = random.randrange(1 << 32) if seed is None else seed
    click.echo(f"seed {seed}", err=True)
    rows, n_faults = [], 0
    for kind in chosen:
        n_tried, faults = _tried(kind, minutes * 60 / len(chosen), seed)
        rows.append([kind.name, n_tried, faults.total()])
        n_faults += faults.total()
        for text, n in faults.most_common(_SHOWN):
            click.echo(f"{kind.name}: {n} x {text}", err=True)
    click.echo(tabulate(rows, ["kind", "tried", "failed"], intfmt=","))
    sys.exit(n_faults > 0)


def _tried(kind: Kind, duration_s: float, seed: int) -> tuple[int, Counter[str]]:
    faults: Counter[str] = Counter()
    n_tried, deadline_s = 0, time.monotonic() + duration_s
    with tempfile.TemporaryDirectory() as folder:
        for attempt in kind.attempts(Path(folder), random.Random(seed)):
            n_tried += 1
            if attempt.fault is not None:
                faults[f"{attempt.what}: {attempt.fault}"] += 1
            if time.monotonic() > deadline_s:
                break
    return n_tried, faults


if __name__ == "__main__":
    main()

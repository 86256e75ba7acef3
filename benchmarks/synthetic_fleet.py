"""Experiments of machines that do not exist, derived from a measured one: to see what many cost."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

EXAMPLE = Path(__file__).resolve().parent.parent / "results" / "examples"
"""Where the experiment lies that all are derived from."""

# How much faster a class is than the machine that was measured: spread widely, and no more true
# than that. The names say so themselves wherever they are shown.
CLASSES = {
    "Synthetic A": (4, 1.6),
    "Synthetic B": (8, 2.4),
    "Synthetic C": (12, 5.0),
    "Synthetic D": (16, 7.5),
    "Synthetic E": (32, 9.0),
}
# Between machines of one class, and between the Runs of one: standard deviations of logarithms.
_AMONG_MACHINES, _AMONG_RUNS = 0.03, 0.02
# One machine in fifty has its fan blocked.
_SHARE_SLOW, _SLOW = 0.02, 0.6
_TIMES = ("total_ns", "ttft_ns", "tokenize_ns")


def write_fleet(
    folder: Path, n_machines: int, n_models: int, *, seed: int = 1, example: str = "f4523ec1"
) -> list[Path]:
    """
    A file for each machine, of `n_models` models each, as `harness run` would have left them.

    They are derived from `example`, an experiment that comes with the source, the same for each
    `seed`. `folder` must be empty or absent, so that nothing real is mixed with them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(
            f"{folder} is not empty: synthetic records need a folder of their own"
        )
    lines = [json.loads(it) for it in _example(example).read_text("utf-8").splitlines()]
    rng = random.Random(seed)
    written = []
    for number in range(n_machines):
        text = "\n".join(
            json.dumps(it, separators=(",", ":")) for it in _of(lines, number, n_models, rng)
        )
        path = folder / f"20261201T000000Z-synthetic{number:04}-{number:08x}.jsonl"
        path.write_text(f"{text}\n", "utf-8")
        written.append(path)
    return written


def _example(name: str) -> Path:
    places = (EXAMPLE, EXAMPLE.parent)
    return next(path for it in places for path in it.glob(f"*-{name}.jsonl"))


def _of(
    lines: Sequence[dict[str, Any]], number: int, n_models: int, rng: random.Random
) -> Iterator[dict[str, Any]]:
    """The lines of one machine's file."""
    head, *runs, end = lines
    title, (n_cores, speed) = list(CLASSES.items())[number % len(CLASSES)]
    speed *= rng.lognormvariate(0, _AMONG_MACHINES)
    if rng.random() < _SHARE_SLOW:
        speed *= _SLOW
    models = [_model(head["plan"]["models"][0], at) for at in range(n_models)]
    yield _head(head, number, title, n_cores, models)
    index = 0
    for run in runs:
        for at, model in enumerate(models):
            factor = speed / (1 + at) * rng.lognormvariate(0, _AMONG_RUNS)
            yield run | {
                "index": index,
                "model": model["key"],
                "settings": run["settings"] | {"n_threads": n_cores},
                "trials": [_faster(trial, factor) for trial in run["trials"]],
            }
            index += 1
    stop = end["stops"][0]
    settings = stop["settings"] | {"n_threads": n_cores}
    stops = [stop | {"model": model["key"], "settings": settings} for model in models]
    yield end | {"stops": stops}


def _model(model: dict[str, Any], at: int) -> dict[str, Any]:
    """The first is the one that was measured; the others are called otherwise."""
    if at == 0:
        return model
    name = f"synthetic-{at}:Q4_1"
    return model | {"key": name, "file_name": f"{name}.gguf", "sha256": f"{at:064x}"}


def _head(
    head: dict[str, Any], number: int, title: str, n_cores: int, models: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    machine = {
        "id": f"synthetic{number:04}",
        "cpu": title,
        "n_cores_physical": n_cores,
        "n_cores_logical": n_cores,
        "n_cores_usable": n_cores,
    }
    plan = head["plan"]
    settings = [it | {"n_threads": n_cores} for it in plan["settings"]]
    keys = [model["key"] for model in models]
    (work,) = head["works"].values()
    return head | {
        "id": f"{number:08x}",
        "machine": head["machine"] | machine,
        "plan": plan | {"models": list(models), "settings": settings},
        "predictions": [it | {"model": key} for key in keys for it in head["predictions"]],
        "works": dict.fromkeys(keys, work),
    }


def _faster(trial: dict[str, Any], factor: float) -> dict[str, Any]:
    """Its times divided by `factor`; what else the machine did stays as it was measured."""
    times = {name: round(trial[name] / factor) for name in _TIMES if trial[name]}
    return trial | times | {"step_ns": [round(it / factor) for it in trial["step_ns"]]}

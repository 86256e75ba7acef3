"""
How long a person waits for `harness --help`, `harness show` and the Tab key, beside Python's own
start.

    python -m benchmarks.startup
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from random import Random
from statistics import median
from time import perf_counter_ns

import click
from tabulate import tabulate

from benchmarks import sweeps
from harness import units
from harness.records.listing import list_experiments
from harness.records.store import ExperimentWriter, StoredExperiment, load
from harness.schema.experiment import End
from harness.schema.moment import utc_time

_BARE = "python -c pass"
_SAME = 0.05
_TAB = "Tab behind harness run smollm2-135m:"
_ASKED_NS = {"harness --help": 200_000_000, "harness show": 500_000_000, _TAB: 300_000_000}

_HELP = """
Time whole commands, interleaved with `python -c pass` in random order.

The results folder of `harness show` holds copies of one real experiment, made first by measuring
tiny-random in pp512, tg128 and chat, three trials each.
"""


@click.command(help=_HELP)
@click.option("--rounds", default=30, show_default=True, help="Each has every command once.")
@click.option("--experiments", default=200, show_default=True, help="How many are stored.")
@click.option("--runs", default=6, show_default=True, help="Runs in each of them.")
@sweeps.common_options
def main(
    rounds: int,
    experiments: int,
    runs: int,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        _store(_measured(Path(folder) / "one", threads, wait), results, experiments, runs, seed)
        n_bytes = sum(path.stat().st_size for path in results.iterdir())
        with sweeps.alone(__file__, wait):
            times = _time(_commands(results), rounds, rng)
    document = {
        "n_experiments": experiments,
        "n_bytes": n_bytes,
        "asked_ns": _ASKED_NS,
        "wall_ns": times,
    }
    stored = f"{experiments} experiments stored, {units.file_size(n_bytes)}; {rounds} rounds"
    click.echo(json.dumps(document, indent=1) if as_json else f"{_table(times)}\n\n{stored}")


def _measured(folder: Path, n_threads: int | None, wait_ns: int) -> StoredExperiment:
    """One Run of the small model, recorded."""
    command = [*_harness(), "run", "tiny-random", "--runs", "1", "--cold-loads", "0"]
    command += ["--trials", "3", "--results", str(folder), "--wait", f"{wait_ns / 1e9:g}s"]
    command += ["--threads", str(n_threads)] if n_threads else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(f"harness run failed: {done.stderr.strip()}")
    return load(list_experiments(folder)[-1].path)


def _store(one: StoredExperiment, folder: Path, n: int, n_runs: int, seed: int) -> None:
    """`n` experiments of `n_runs` Runs each, all copies of `one` but for name and time."""
    rng = Random(seed)
    [run] = one.runs
    assert one.end
    started_at = utc_time(one.experiment.started_at)
    for number in range(n):
        changes = {
            "id": f"{rng.randrange(1 << 32):08x}",
            "started_at": (started_at + timedelta(minutes=number)).isoformat(),
        }
        with ExperimentWriter(folder, one.experiment.model_copy(update=changes)) as writer:
            for index in range(n_runs):
                writer.append_run(run.model_copy(update={"index": index, "round": index}))
            stops = [stop.model_copy(update={"n_runs": n_runs}) for stop in one.end.stops]
            writer.finish(End(finished_at=one.end.finished_at, stops=tuple(stops)))


def _harness() -> tuple[str, ...]:
    """The installed command, as people start it."""
    script = Path(sys.executable).with_name("harness.exe" if sys.platform == "win32" else "harness")
    return (str(script),) if script.exists() else (sys.executable, "-m", "harness")


def _commands(results: Path) -> dict[str, list[str]]:
    at = ["--results", str(results)]
    harness = [*_harness()]
    line = ("env", "_HARNESS_COMPLETE=bash_complete", f"COMP_LINE={_TAB.partition('behind ')[2]}")
    return {
        _BARE: [sys.executable, "-c", "pass"],
        "harness --help": [*harness, "--help"],
        "harness run --help": [*harness, "run", "--help"],
        "harness show": [*harness, "show", *at],
        "harness show latest": [*harness, "show", "latest", *at],
        **({} if sys.platform == "win32" else {_TAB: [*line, *harness]}),
    }


def _time(commands: dict[str, list[str]], rounds: int, rng: Random) -> dict[str, list[int]]:
    """Nanoseconds of each command in each round; the first round only warms the page cache."""
    times: dict[str, list[int]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name in rng.sample(list(commands), len(commands)):
            started_ns = perf_counter_ns()
            subprocess.run(commands[name], capture_output=True, check=True)
            if number:
                times[name].append(perf_counter_ns() - started_ns)
    return times


def _table(times: dict[str, list[int]]) -> str:
    bare = times[_BARE]
    rows = []
    for name, values in times.items():
        ratio = sweeps.ratio_of(dict(enumerate(values)), dict(enumerate(bare)), _SAME)
        asked_ns = _ASKED_NS.get(name)
        rows.append(
            [
                name,
                units.duration(round(median(values))),
                f"{units.duration(min(values))} to {units.duration(max(values))}",
                "" if name == _BARE else sweeps.ratio_text(ratio),
                f"< {units.duration(asked_ns)}" if asked_ns else "",
            ]
        )
    headers = ["command", "median", "range", "times python", "asked"]
    return tabulate(rows, headers, disable_numparse=True)


if __name__ == "__main__":
    main()

"""
Whether the headline stays right while another program comes and goes, and llama-bench's.

    python -m benchmarks.contention --llama-bench PATH
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from statistics import fmean, median, stdev

import click
from tabulate import tabulate

from benchmarks import setting_up
from benchmarks.busy import Timeline, load
from benchmarks.contenders import LlamaBench, Sample, Worker
from benchmarks.ratios import Ratio, ratio_of
from benchmarks.visits import PHASES, Phase, Visit, confusion, per_cycle, take_visit
from harness.analysis.stats import interval as stats
from harness.measure.sweep import ATTEMPTS_PER_TRIAL

_HELP = """
Measure in quiet and while a busy process comes and goes, in turns; llama-bench beside it.

The headline is the product's: the median over Runs of the median of each Run's clean trials,
disturbed ones repeated as `harness run` does. The load tells when it was on, so it is known which
trials it really met.
"""


@click.command(help=_HELP)
@click.option("--llama-bench", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--libs", type=click.Path(exists=True, file_okay=False, resolve_path=True))
@click.option("--model", default="smollm2-135m", show_default=True)
@click.option("--workload", default="tg128", show_default=True)
@click.option("--cycles", default=12, show_default=True, help="Each has a quiet and a loaded Run.")
@click.option("--trials", default=3, show_default=True, help="Clean trials in a Run.")
@click.option("--reps", default=5, show_default=True, help="Repetitions of llama-bench.")
@click.option("--busy", default=1, show_default=True, help="Busy processes, one core each.")
@click.option("--on-ms", default=1000, show_default=True, help="So long it is busy ...")
@click.option("--period-ms", default=3000, show_default=True, help="... in each such time.")
@setting_up.measuring_options
def main(
    llama_bench: Path | None,
    libs: str | None,
    model: str,
    workload: str,
    cycles: int,
    trials: int,
    reps: int,
    busy: int,
    on_ms: int,
    period_ms: int,
    seed: int,
    threads: int | None,
    wait: int,
    as_json: bool,
) -> None:
    machine, settings = setting_up.machine_and_settings(threads)
    [(local, task)] = setting_up.cells((model,), (workload,))
    rng = Random(seed)
    with tempfile.TemporaryDirectory() as folder, setting_up.alone(__file__, wait):
        log = Path(folder) / "worker.log"
        ours = Worker(machine, settings, log, trials, trials * ATTEMPTS_PER_TRIAL)
        at = Path(libs) if libs else None
        other = LlamaBench(llama_bench.resolve(), settings, reps, at) if llama_bench else None

        def visit(phase: Phase) -> Visit:
            is_loaded = phase == "loaded"
            timeline: contextlib.AbstractContextManager[Timeline] = (
                load(busy, on_ms, period_ms) if is_loaded else contextlib.nullcontext(Timeline())
            )
            return take_visit(phase, timeline, ours, other, local, task, rng)

        visits = _cycles(cycles, visit, rng)
    click.echo(json.dumps(_document(visits), indent=1) if as_json else summary(visits))


def _cycles(n: int, visit: Callable[[Phase], Visit], rng: Random) -> list[Visit]:
    visits: list[Visit] = []
    try:
        for number in range(n):
            # The machine drifts: each cycle has both, in random order.
            for phase in rng.sample(PHASES, 2):
                visits.append(visit(phase))
                setting_up.tell(_progress(number, visits[-1]))
    except KeyboardInterrupt:
        setting_up.tell("Interrupted.")
    return visits


def _progress(number: int, visit: Visit) -> str:
    n_flagged = sum(trial.flag is not None for trial in visit.trials)
    value = f"{visit.value:.1f}" if visit.value else "no clean trial"
    text = f"cycle {number + 1:2} {visit.phase:6}  harness {value}"
    text += f" ({n_flagged} of {len(visit.trials)} trials disturbed)"
    if visit.other:
        text += f"  llama-bench {_mean_and_deviation(visit.other)}"
    return text


def _mean_and_deviation(sample: Sample) -> str:
    deviation = stdev(sample.rates) if len(sample.rates) > 1 else 0.0
    return f"{sample.mean:.1f} ± {deviation:.1f}"


def _sides() -> dict[str, Callable[[Visit], float | None]]:
    return {
        "harness, clean trials": lambda visit: visit.value,
        "harness, all trials": lambda visit: median(trial.rate for trial in visit.trials),
        "llama-bench, mean": lambda visit: visit.other.mean if visit.other else None,
    }


def _row(name: str, visits: list[Visit], value: Callable[[Visit], float | None]) -> list[str]:
    both, known = per_cycle(visits, value)
    if not known["quiet"] or not known["loaded"]:
        return [name, "", "", "", "", ""]
    quiet, loaded = (stats.estimate(known[phase], "tok/s") for phase in ("quiet", "loaded"))
    ratio: Ratio | None = ratio_of(both)
    worst = max(abs(x / quiet.value - 1) for x in known["loaded"])
    return [
        name,
        f"{quiet.value:.1f} ({quiet.low:.1f} to {quiet.high:.1f}, n {quiet.n})",
        f"{loaded.value:.1f} ({loaded.low:.1f} to {loaded.high:.1f}, n {loaded.n})",
        f"{loaded.value / quiet.value - 1:+.1%}",
        ratio.text if ratio else "",
        f"{worst:.0%}",
    ]


def summary(visits: list[Visit]) -> str:
    """The tables for people."""
    rows = [_row(name, visits, value) for name, value in _sides().items()]
    headers = ["tok/s", "quiet", "loaded", "error", "loaded/quiet per cycle", "worst process"]
    lines = [tabulate(rows, headers, disable_numparse=True), ""]
    table = [
        [phase, name, counts["flagged"], counts["passed"]]
        for phase in PHASES
        for name, counts in confusion(visits, phase).items()
        if counts
    ]
    lines += [tabulate(table, ["phase", "load met", "flagged", "passed"]), ""]
    slipped = [t for v in visits for t in v.trials if t.flag is None and t.overlap_ratio >= 0.05]
    quiet = [t.rate for v in visits if v.phase == "quiet" for t in v.trials if t.flag is None]
    lines += [
        f"passed although load met 5 % or more of it: {t.overlap_ratio:.0%}, "
        f"{t.rate / median(quiet):.2f} of the quiet speed"
        for t in slipped
        if quiet
    ]
    deviations = [v.other for v in visits if v.other and v.phase == "loaded"]
    if deviations:
        lines.append("llama-bench under load: " + ", ".join(map(_mean_and_deviation, deviations)))
    for phase in PHASES:
        of_phase = [v for v in visits if v.phase == phase]
        if of_phase:
            lines.append(
                f"{phase}: {fmean(len(v.trials) for v in of_phase):.1f} trials and "
                f"{fmean(v.ours_ns for v in of_phase) / 1e9:.1f} s a Run"
            )
    return "\n".join(lines)


def _document(visits: list[Visit]) -> dict[str, object]:
    return {
        "visits": [
            {
                "phase": visit.phase,
                "value": visit.value,
                "trials": [vars(trial) for trial in visit.trials],
                "llama_bench": visit.other.rates if visit.other else None,
            }
            for visit in visits
        ],
        "ratios": {
            name: ratio.as_dict()
            for name, value in _sides().items()
            if (ratio := ratio_of(per_cycle(visits, value)[0]))
        },
    }


if __name__ == "__main__":
    main()

"""
Whether this machine's calibration predicts models it did not see: predicted beside measured.

    python -m tools.speed.calibrated [--calibration FILE] [--rounds N]

Random-weight models of well-known shapes and several types, up to 2 GB, and the default model. Each
is measured in as many processes as there are rounds, as `harness run` does it: where one process's
memory happens to lie is no property of the machine. Each round begins with a calibration, which
joins those before it, so that calibrating and measuring see the same hours of a shared host.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter_ns

import click
import numpy as np
from tabulate import tabulate

from harness.analysis import disturbance as trust
from harness.analysis.speed.calibration import Calibration, joined
from harness.analysis.speed.calibration_fit import speed_of
from harness.analysis.speed.predict import predict_speed
from harness.machine.probe import default_threads, probe_machine
from harness.measure import runner
from harness.measure.calibrate import calibrate
from harness.measure.jobs.measure import MeasureJob, measure
from harness.measure.lock import machine_held
from harness.models.catalog.catalog import load_catalog
from harness.models.digest import cache_dir
from harness.models.find import find
from harness.models.gguf.header import read_header
from harness.models.gguf.work import work_of
from harness.models.twin.calibration_models import CalibrationModel, write_calibration_model
from harness.schema.experiment import Trial
from harness.schema.machine import Machine
from harness.schema.prediction import Prediction
from harness.schema.settings import Settings
from harness.schema.work import Work
from harness.schema.workload import parse_workload

# Blocks, width and width of the feed-forward part of Llama-3.2-1B and 3B, Qwen3-0.6B and 1.7B and
# SmolLM2-360M (to the next multiple of a head); mixtures after OLMoE and gpt-oss, fewer blocks.
MODELS = (
    CalibrationModel("llama-1b Q4_K", "Q4_K", 16, 2048, 8192, "Q6_K"),
    CalibrationModel("llama-1b Q8_0", "Q8_0", 16, 2048, 8192, "Q8_0"),
    CalibrationModel("llama-3b Q4_0", "Q4_0", 28, 3072, 8192, "Q4_0"),
    CalibrationModel("qwen-0.6b F16", "F16", 28, 1024, 3072, "F16"),
    CalibrationModel("qwen-1.7b Q6_K", "Q6_K", 28, 2048, 6144, "Q6_K"),
    CalibrationModel("qwen-1.7b Q5_K", "Q5_K", 28, 2048, 6144, "Q6_K"),
    CalibrationModel("smollm-360m Q8_0", "Q8_0", 32, 1024, 2560, "Q8_0"),
    CalibrationModel("olmoe Q4_K", "Q4_K", 8, 2048, 1024, "Q4_K", 64, 8),
    CalibrationModel("gpt-oss MXFP4", "MXFP4", 6, 3072, 2816, "MXFP4", 32, 4),
)
_WORKLOADS = ("tg64", "pp512", "tg32@d2048", "pp256@d2048")
_TRIALS, _TRIALS_MAX = 3, 9
_PATIENCE_NS = 3600 * 1_000_000_000


@click.command(help="Predict models on this machine, then measure them.")
@click.option("--calibration", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--keep", type=click.Path(dir_okay=False, path_type=Path), help="Write it here.")
@click.option(
    "--rounds",
    "n_rounds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How often to calibrate and to measure each model.",
)
def main(calibration: Path | None, keep: Path | None, n_rounds: int) -> None:
    machine = probe_machine()
    settings = Settings(n_threads=default_threads(machine))
    alone = machine_held("calibrated", _PATIENCE_NS, click.echo)
    with alone, tempfile.TemporaryDirectory(dir=cache_dir()) as folder:
        place = Path(folder)
        bench = _Bench(settings, machine, place)
        made: Calibration | None = None
        for index in range(n_rounds):
            made = _calibrated(calibration, made, machine, settings)
            if keep:
                keep.write_text(made.model_dump_json(), encoding="utf-8")
            bench.measure("smollm2-135m", _real_model())
            for model in MODELS:
                path = place / "model.gguf"
                write_calibration_model(model, path)
                bench.measure(model.name, path)
                path.unlink()
            click.echo(f"\nAfter {index + 1} of {n_rounds} rounds, medians over them:\n")
            _show(bench.rows(made), made)


def _calibrated(
    path: Path | None,
    before: Calibration | None,
    machine: Machine,
    settings: Settings,
) -> Calibration:
    """The one at `path`, else a new one beside those of the rounds before."""
    if path:
        return Calibration.model_validate_json(path.read_bytes())
    engine = runner.describe_engine()
    made = calibrate(machine, engine, settings.n_threads)
    return joined(made, before) if before else made


Row = tuple[str, str, Prediction, float]


def _real_model() -> Path:
    return find("smollm2-135m", load_catalog(()), "weights").weights


@dataclass
class _Bench:
    """What each model asks, and what the rounds so far measured of each workload."""

    settings: Settings
    machine: Machine
    place: Path
    works: dict[str, Work] = field(default_factory=dict)
    measured: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def measure(self, name: str, path: Path) -> None:
        """One worker process: each workload's median over its clean trials."""
        self.works[name] = _work(path)
        started_ns = perf_counter_ns()
        job = MeasureJob(
            model_path=str(path),
            settings=self.settings,
            workloads=_WORKLOADS,
            n_trials=_TRIALS,
            n_trials_max=_TRIALS_MAX,
            n_cores_logical=self.machine.n_cores_logical,
            n_cores_usable=self.machine.n_cores_usable,
            started_ns=started_ns,
            deadline_ns=started_ns + 300_000_000_000,
        )
        report = measure(job, log=self.place / "worker.log")
        for workload in _WORKLOADS:
            rates = [
                trial.n_tokens / trial.total_ns * 1e9
                for trial in report.trials
                if trial.workload == workload and self._is_clean(trial)
            ]
            if rates:
                self.measured.setdefault((name, workload), []).append(median(rates))
                click.echo(f"{name} {workload}: {median(rates):.1f} measured", err=True)

    def rows(self, made: Calibration) -> list[Row]:
        """What `made` predicts of each figure, beside the median over rounds."""
        speed = speed_of(made)
        assert speed
        rows: list[Row] = []
        for (name, workload), rates in self.measured.items():
            task = parse_workload(workload)
            told = predict_speed(self.works[name], speed, task, name, self.settings)[0]
            if isinstance(told, Prediction):
                rows.append((name, workload, told, median(rates)))
        return rows

    def _is_clean(self, trial: Trial) -> bool:
        return not trial.is_warm_up and not trust.why_disturbed(
            trial.counters,
            self.machine.n_cores_logical,
            self.settings.n_threads,
            self.machine.n_cores_usable,
        )


def _work(path: Path) -> Work:
    with path.open("rb") as file:
        return work_of([read_header(file, path.stat().st_size, path.name)], path.name)


def _show(rows: list[Row], made: Calibration) -> None:
    table = [
        [name, workload, f"{told.value:.1f}", f"{told.low:.1f} to {told.high:.1f}",
         f"{measured:.1f}", f"{told.value / measured - 1:+.0%}"]
        for name, workload, told, measured in rows
    ]  # fmt: skip
    headers = ["model", "workload", "predicted", "interval", "measured", "off by"]
    click.echo(tabulate(table, headers=headers, tablefmt="github"))
    for workload in _WORKLOADS:
        mine = [(told, measured) for _, name, told, measured in rows if name == workload]
        errors = [abs(told.value / measured - 1) for told, measured in mine]
        inside = sum(told.low <= measured <= told.high for told, measured in mine)
        click.echo(
            f"{workload}: median {np.median(errors):.1%}, p90 {np.quantile(errors, 0.9):.1%}, "
            f"{inside} of {len(mine)} in their interval"
        )
    for one in (made, *made.earlier):
        click.echo(f"calibrated in {one.duration_ns / 1e9:.0f} s, {one.measured_at}")


if __name__ == "__main__":
    main()

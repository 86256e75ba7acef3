"""`harness run`: measure models on this machine."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from harness.commands import options
from harness.commands.fetching import Fetching
from harness.commands.showing import show_results
from harness.errors import ExitCode, UsageError
from harness.machine.awake import keep_awake
from harness.machine.probe import default_threads, probe_machine
from harness.measure import experiment as experiments
from harness.measure.lock import measuring
from harness.measure.sweep import Result, Sweep
from harness.models.catalog import Catalog, load_catalog
from harness.models.digest import sha256_of_parts
from harness.models.fetch import LocalModel, ensure
from harness.models.model_file import describe
from harness.models.shards import shard_paths
from harness.records.store import ExperimentWriter
from harness.report import terminal
from harness.report.progress import Progress
from harness.schema import ModelFile, Settings

_ENGINE_OPTIONS = (
    click.option(
        "-t",
        "--threads",
        "n_threads",
        type=options.COUNTS,
        help="Threads of the engine. Default: the cores of the fastest kind.",
    ),
    click.option("-b", "--batch-size", "n_batch", type=options.COUNTS, default="2048"),
    click.option("-ub", "--ubatch-size", "n_ubatch", type=options.COUNTS, default="512"),
    click.option(
        "-c",
        "--ctx",
        "n_ctx",
        type=options.COUNTS,
        help="Context positions. Default: just what each workload needs, as llama-bench does.",
    ),
    click.option(
        "-ngl",
        "--gpu-layers",
        "n_gpu_layers",
        type=options.Listed("list", options.whole_number(-1)),
        default="-1",
        help="Layers on the GPU; -1 is all.",
    ),
    click.option(
        "-ncmoe",
        "--cpu-moe",
        "n_cpu_moe",
        type=options.Listed("list", options.whole_number(0)),
        default="0",
        help="Keep the experts of the first N layers in system memory.",
    ),
    click.option(
        "-dev",
        "--device",
        "devices",
        type=options.Listed("list", options.devices),
        help="Devices to use, joined by a slash; see `harness machine`. Default: all.",
    ),
    click.option(
        "-sm",
        "--split-mode",
        "split_mode",
        type=options.Listed("list", options.one_of("none", "layer", "row", "tensor")),
        default="layer",
        help="How a model is split over several GPUs.",
    ),
    click.option(
        "-mg",
        "--main-gpu",
        "main_gpu",
        type=options.Listed("list", options.whole_number(0)),
        default="0",
    ),
    click.option(
        "-ts",
        "--tensor-split",
        "tensor_split",
        type=options.Listed("list", options.shares),
        help="Share of each GPU, joined by a slash: 3/1.",
    ),
    click.option(
        "-fa",
        "--flash-attn",
        "flash_attn",
        type=options.Listed("list", options.one_of("auto", "on", "off")),
        default="auto",
    ),
    click.option("-ctk", "--cache-type-k", "type_k", type=options.CACHE, default="f16"),
    click.option("-ctv", "--cache-type-v", "type_v", type=options.CACHE, default="f16"),
    click.option(
        "--load-mode",
        "load_mode",
        type=options.Listed("list", options.one_of(*options.LOAD_MODES)),
        default="auto",
        help="How weights come into memory; `none` needs the least of it.",
    ),
    click.option(
        "--repack",
        "repack",
        type=options.Listed("list", options.on_off),
        default="on",
        help="Rearrange weights for this CPU while loading.",
    ),
)


def _engine_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_ENGINE_OPTIONS):
        function = option(function)
    return function


@click.command("run")
@click.argument("models", nargs=-1)
@click.option(
    "-w",
    "--workload",
    "workloads",
    type=options.WORKLOADS,
    default="pp512,tg128,chat",
    show_default=True,
    help="What to measure: ppN, tgN, either @dDEPTH, chat, sustainSECONDS.",
)
@click.option(
    "--runs", type=click.IntRange(1, 1000), default=12, show_default=True, help="Most Runs a case."
)
@click.option(
    "--trials",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Clean repetitions of each workload in a Run.",
)
@click.option(
    "--budget",
    type=options.DURATION,
    default="5m",
    show_default=True,
    help="Time for each model; one Run is always finished.",
)
@click.option(
    "--precision",
    type=options.RATIO,
    default="2%",
    show_default=True,
    help="Stop when the interval is this narrow to either side, from 6 Runs on.",
)
@_engine_options
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), help="Repeat an order and its tokens.")
@click.option(
    "--cold-loads",
    type=click.IntRange(0, 1000),
    default=1,
    show_default=True,
    help="Load from the disk, not from the page cache, in the first N rounds.",
)
@click.option(
    "--timeout",
    type=options.DURATION,
    default="20m",
    show_default=True,
    help="End a worker that is silent for so long; a trial is one event.",
)
@click.option(
    "--wait", type=options.DURATION, default=None, help="Wait for another measurement to end."
)
@options.catalog_option
@options.results_option
@click.option(
    "--format",
    "table_format",
    type=click.Choice(options.FORMATS),
    default="plain",
    show_default=True,
)
@options.json_option
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def command(
    models: tuple[str, ...], results: Path, catalogs: tuple[Path, ...], **given: Any
) -> int:
    """
    Measure MODELS on this machine: tokens per second, latency, memory.

    A model is a name of `harness models` ("smollm2-135m", "smollm2-135m:Q4_1") or the path of a
    GGUF file. Without one, the default model is fetched and measured. Options that take lists
    are swept: --threads 1,2 measures both, interleaved.
    """
    console = terminal.console(is_quiet=given["quiet"])
    catalog = load_catalog(catalogs)
    locals_by_key = _fetch(models or (catalog.models[0].name,), catalog, Fetching(console))
    files = [_model_file(local, Fetching(console)) for local in locals_by_key.values()]
    machine = probe_machine()
    plan = experiments.plan(_request(given, default_threads(machine)), files)
    paths = {key: local.path for key, local in locals_by_key.items()}
    wait_s = (given["wait"] or 0) / 1e9
    with measuring(", ".join(paths), wait_s=wait_s, on_wait=console.print), keep_awake():
        experiment = experiments.new_experiment(plan, machine)
        for warning in experiments.warnings(experiment):
            terminal.warn(console, warning)
        progress = Progress(console, plan.n_runs_max * len(plan.settings) * len(files))
        with ExperimentWriter(results, experiment) as writer, progress.shown():
            sweep = Sweep(experiment, paths, writer, progress, silence_ns=given["timeout"])
            result = sweep.measure()
    show_results(
        experiment,
        result.runs,
        result.stops,
        writer.path,
        table_format="json" if given["as_json"] else given["table_format"],
        is_quiet=given["quiet"],
    )
    return _exit_code(result)


def _fetch(names: tuple[str, ...], catalog: Catalog, fetching: Fetching) -> dict[str, LocalModel]:
    found: dict[str, LocalModel] = {}
    for name in names:
        local = ensure(name, fetching.report, catalog)
        if local.key in found and found[local.key].path != local.path:
            raise UsageError(
                f"Two files are both called {local.key}: {found[local.key].path} and "
                f"{local.path}. Rename one of them."
            )
        found[local.key] = local
    fetching.done()
    return found


def _model_file(local: LocalModel, fetching: Fetching) -> ModelFile:
    quantization = local.variant.quantization if local.variant else None
    # The header first: a damaged file should not be hashed for a minute before it is refused.
    file = describe(local.path, local.key, quantization)
    sha256 = local.variant.sha256 if local.variant else None
    sha256 = sha256 or sha256_of_parts(shard_paths(local.path), fetching.report)
    fetching.done()
    return file.model_copy(update={"sha256": sha256})


def _request(given: dict[str, Any], n_threads: int) -> experiments.Request:
    settings = {name: given[name] for name in Settings.model_fields if given[name] is not None}
    return experiments.Request(
        workloads=given["workloads"],
        settings={"n_threads": (n_threads,)} | settings,
        n_runs_max=given["runs"],
        n_trials=given["trials"],
        n_cold_loads=given["cold_loads"],
        budget_ns=given["budget"],
        precision=given["precision"],
        seed=secrets.randbelow(2**31) if given["seed"] is None else given["seed"],
    )


def _exit_code(result: Result) -> int:
    if result.error is not None:
        raise result.error
    if result.is_interrupted:
        return ExitCode.INTERRUPTED
    has_failed = any(run.outcome.status == "failed" for run in result.runs)
    return ExitCode.ERROR if has_failed else ExitCode.DONE

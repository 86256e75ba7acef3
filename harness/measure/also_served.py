"""
A file served beside being measured here: the model that stands for it in a plan, and its server.

The server is started anew for each Run, as the engine is, on a port of its own; nothing of it is
there before or after.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UsageError
from harness.measure.jobs.measure import MeasureReport
from harness.schema.experiment import EngineInfo, Plan
from harness.schema.model import ModelFile, ModelKey, ServedModel
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.outcome import Outcome, Reason
from harness.schema.served import Served
from harness.schema.settings import ServedSettings, Settings
from harness.schema.workload import parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import CHAT_CONTEXT, CHAT_TOKENS
from harness.serving.process import ServerFailed
from harness.serving.program import ServerProgram, ServerSetup
from harness.serving.server import serve

USUAL_WORKLOADS = (f"tg{CHAT_TOKENS}@d256", "chat")
"""A raw decode at the depth of a chat, and the chat: what the same tokens cost in both."""

_SERVER = "llama-server"


def served_twins(
    files: Sequence[ModelFile],
    program: ServerProgram,
    settings: Sequence[Settings],
    workloads: Sequence[str],
) -> tuple[ServedModel, ...]:
    """
    What the server that is started for each file will serve, as models of the same plan.

    Args:
        files: What is measured in this process too.
        program: The server.
        settings: Those of the plan.
        workloads: The same.

    Raises:
        UsageError: No file, more than one Settings, no workload that is a request, a model that
            writes no text, or a setting that the server does not know.
    """
    requests = [it for it in map(parse_workload, workloads) if it.is_request]
    if any(it.needs_server or it.n_sequences > 1 for it in requests):
        raise UsageError(
            "--also-served asks one thing at a time, as the engine is asked; measure several users "
            "of a server with --endpoint"
        )
    if not requests:
        raise UsageError(
            f"--also-served sends requests, and none of {','.join(workloads)} is one; add chat to "
            "--workload"
        )
    if not files:
        raise UsageError("--also-served serves files that are measured here too; name a model")
    if len(settings) > 1:
        raise UsageError(
            "--also-served sets one server beside one engine; choose a single value of each setting"
        )
    chosen = settings[0]
    n_ctx = chosen.n_ctx or max(map(_n_ctx, requests))
    for file in files:
        _require_writer(file)
        program.command(ServerSetup(Path(file.file_name), chosen, n_ctx), 0)
    return tuple(_model(file, program, n_ctx) for file in files)


@dataclass(frozen=True)
class Running:
    """A server that runs: where it is asked, and how long it took from its start to be ready."""

    served: Served
    ready_ns: int


@dataclass(frozen=True)
class Servers:
    """
    Starts a server for a Run of a model that stands for a file.

    Attributes:
        program: Which one.
        settings: Those of the engine beside it, as they are for a server.
        paths: Where the files lie, by their keys.
    """

    program: ServerProgram
    settings: Settings
    paths: Mapping[ModelKey, Path]

    def behind(
        self, served: Served, log: Path, measure: Callable[[Running], MeasureReport]
    ) -> MeasureReport:
        """
        What `measure` tells of a server that is there for it alone.

        Args:
            served: Of `served_twins`.
            log: File for what the server prints.
            measure: Asks it.

        Raises:
            ResultsUnwritable: The log cannot be written.
            KeyboardInterrupt: A signal came before it was ready.
        """
        n_ctx = served.settings.n_ctx or self.settings.n_ctx or CHAT_CONTEXT
        path = self.paths[served.started_for or ""]
        setup = ServerSetup(path, self.settings, n_ctx, served.settings.n_slots or 1)
        try:
            with serve(self.program, setup, log=log) as server:
                asked = served.model_copy(update={"url": server.url})
                report = measure(Running(asked, server.ready_ns))
                failure = server.failure()
        except ServerFailed as error:
            return MeasureReport(outcome=_outcome(error))
        if failure is None or report.outcome.reason == "interrupted":
            return report
        return replace(report, outcome=_outcome(failure))


def servers_of(
    plan: Plan,
    paths: Mapping[ModelKey, Path],
    program: ServerProgram | None,
    engine: EngineInfo,
) -> Servers | None:
    """
    What starts the servers that the plan wants started; None where it wants none.

    Raises:
        UsageError: The engine computes on a graphics card, and the server has none.
    """
    settings = next((it for it in plan.settings if isinstance(it, Settings)), None)
    if program is None or settings is None:
        return None
    cards = [it.name for it in engine.devices if it.is_gpu]
    if not cards:
        return Servers(program, _on_cpu(settings, program), paths)
    if settings.n_gpu_layers != 0 and program.gpus == ():
        raise UsageError(
            f"The engine computes on {', '.join(cards)} and {program.name} has no graphics card; "
            "name one that has with --server-binary PATH, or add --gpu-layers 0"
        )
    return Servers(program, settings, paths)


def _on_cpu(settings: Settings, program: ServerProgram) -> Settings:
    """Those of a server beside an engine that has nothing but the CPU, whatever the server has."""
    devices = ("none",) if program.gpus and program.takes_devices else ()
    return settings.model_copy(update={"n_gpu_layers": 0, "devices": devices})


def _outcome(failure: ServerFailed) -> Outcome:
    return Outcome(
        status="failed",
        reason=_reason(failure),
        message=str(failure),
        exit_code=failure.exit_code_of_server,
        log_tail=failure.log_tail,
    )


def _reason(failure: ServerFailed) -> Reason:
    match failure.kind:
        case "crashed" | "aborted" | "killed" as reason:
            return reason
        case "exited":
            return "unreachable"
        case None:
            return "hung"


def _n_ctx(request: Workload) -> int:
    """Positions for it, where a prompt made of words may be longer than asked for."""
    spare = 0 if request.is_text else 2 + math.ceil(request.prompt_spread * (request.n_prompt or 0))
    return request.n_ctx + spare


def _require_writer(file: ModelFile) -> None:
    if file.kind != "generates":
        title = MODEL_KINDS[file.kind].title
        raise UsageError(
            f"{file.key} is {title}: there are no answers of it to measure; leave --also-served out"
        )
    if file.is_twin:
        raise UsageError(f"{file.key} is a twin, whose weights are random; serve the model itself")


def _model(file: ModelFile, program: ServerProgram, n_ctx: int) -> ServedModel:
    served = Served(
        url="http://127.0.0.1",
        model=file.file_name,
        server=_SERVER,
        version=program.build,
        system_info=program.system_info,
        is_local=True,
        started_for=file.key,
        settings=ServedSettings(n_ctx=n_ctx, n_slots=1),
    )
    return ServedModel.of_file(file, f"{file.key}@{_SERVER}", served, file.file_name)

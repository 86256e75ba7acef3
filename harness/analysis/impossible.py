"""
What is asked for and cannot be, so far as options, a header and the engine's devices tell.

Found before anything is fetched or measured: a measurement that must fail, or whose cases must all
be the same, is no measurement. What only the engine itself knows it says when it plans
(measure/predictions.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.schema.configuration import workloads_for
from harness.schema.experiment import EngineInfo
from harness.schema.model import ModelFile, ServedModel
from harness.schema.model_kind import MODEL_KINDS, usual_workloads, workloads_of
from harness.schema.settings import Settings, option_name, value_text
from harness.schema.workload import Verify, parse_workload
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat, UserLoad

_GPU_SETTINGS: dict[str, tuple[object, ...]] = {
    "n_gpu_layers": (-1, 0),
    "n_cpu_moe": (0,),
    "split_mode": ("layer",),
    "main_gpu": (0,),
    "tensor_split": ((),),
}
"""What only says something where there is a GPU, with the values that are true without one."""

# At every step all threads wait for the last one, whose turn comes after all others on its CPU:
# with 300 of them a CPU one Run of tiny-random was not over after a minute. Four times as many as
# there are CPUs show what too many do; sixteen are no burden anywhere.
_THREADS_PER_CPU = 4
_MANY_THREADS = 16
_ENGINE_THREADS = 512  # GGML_MAX_N_THREADS of ggml.h
_ENGINE_SEQUENCES = 256  # LLAMA_MAX_SEQ of llama-cparams.h

_PLAIN_TYPES = ("f32", "f16", "bf16")
_USUAL = Settings(n_threads=1)


def impossible_options(settings: Sequence[Settings], workloads: Sequence[str]) -> Iterator[str]:
    """A sentence for each combination that no model and no engine can do."""
    for each in settings:
        for name in workloads:
            task = parse_workload(name)
            # Without a model: whatever it was trained for.
            too_short = impossible_context(task, None, each.n_ctx) if each.n_ctx else None
            if why := too_short or _impossible_together(task, each):
                yield why
        # llama_init_from_model of llama-context.cpp: "quantized V cache requires flash_attn".
        if each.flash_attn == "off" and each.type_v not in _PLAIN_TYPES:
            yield (
                f"{_written(each, 'type_v')} needs flash attention, and "
                f"{_written(each, 'flash_attn')} turns it off; leave one of them away"
            )
        # llama-context.cpp takes the smaller of the two.
        if each.n_batch < each.n_ubatch != _USUAL.n_ubatch:
            yield (
                f"{_written(each, 'n_ubatch')} has no effect: it is more than "
                f"{_written(each, 'n_batch')}, of which it is to be a part; ask for no more"
            )


def _impossible_together(workload: Workload, settings: Settings) -> str | None:
    """Why the engine cannot have so many sequences of `workload` at once; None where it can."""
    n = workload.n_sequences
    if n > _ENGINE_SEQUENCES:
        return (
            f"{workload.name}: {n} sequences are more than the {_ENGINE_SEQUENCES} that the engine "
            "takes together; ask for fewer"
        )
    if isinstance(workload, Verify) and workload.n > settings.n_batch:
        return (
            f"{workload.name}: {workload.n} tokens at once are more than "
            f"{_written(settings, 'n_batch')} takes; ask for a larger one, or fewer tokens"
        )
    # A context has room for the outputs of one batch, and of every sequence at least one.
    if n > settings.n_batch:
        return (
            f"{workload.name}: {n} sequences are more than {_written(settings, 'n_batch')} takes; "
            "ask for a larger one, or fewer sequences"
        )
    return None


def impossible_threads(settings: Sequence[Settings], n_logical: int) -> Iterator[str]:
    """A sentence for each number of threads of which nothing could be learned on so many CPUs."""
    most = max(_MANY_THREADS, _THREADS_PER_CPU * n_logical)
    for each in settings:
        if each.n_threads > min(most, _ENGINE_THREADS):
            yield (
                f"{_written(each, 'n_threads')} is too much for the {n_logical} CPUs of this "
                f"machine, where all threads wait for each other at every step; take up to "
                f"{min(most, _ENGINE_THREADS)}"
            )


def impossible_context(
    workload: Workload, n_ctx_train: int | None, asked: int | None
) -> str | None:
    """
    Why `workload` cannot have a context; None where it can.

    Args:
        workload: What is to be measured.
        n_ctx_train: What the model was trained for; None and 0: nobody knows.
        asked: What the user asked for.
    """
    n = workload.n_sequences
    n_ctx = workload.context_length(n_ctx_train, asked)
    if n_ctx > (n_ctx_train or n_ctx) * n:
        if asked:
            return _too_long(asked, n_ctx_train, n)
        each = f" of each of {n} sequences" if n > 1 else ""
        return (
            f"{workload.name}: {n_ctx // n} positions{each} are beyond the {n_ctx_train} that the "
            f"model was trained for; {workload.shorter}"
        )
    # Of sequences in a common pool each may be longer than an equal part of it.
    n_least = workload.alone.n_ctx_min
    if n_least > (n_ctx_train or n_least):
        return (
            f"{workload.name}: {n_least} positions of each sequence are beyond the {n_ctx_train} "
            f"that the model was trained for; {workload.shorter}"
        )
    if workload.n_ctx_min > n_ctx:
        return (
            f"{workload.name} needs {workload.n_ctx_min} positions, --ctx gives {n_ctx}; ask for "
            "more, or leave --ctx away"
        )
    return None


def _too_long(n_ctx: int, n_ctx_train: int | None, n_sequences: int = 1) -> str:
    each = f" for each of {n_sequences} sequences" if n_sequences > 1 else ""
    return (
        f"--ctx {n_ctx}: {n_ctx // n_sequences} positions{each} are beyond the {n_ctx_train} that "
        "the model was trained for; ask for less"
    )


def impossible_for_model(
    settings: Sequence[Settings], workloads: Sequence[str], model: ModelFile
) -> Iterator[str]:
    """
    A sentence for each combination that `model` cannot do, by its header.

    Of `workloads` only those that somebody asked for: the usual ones are measured as far as it
    goes, but in no context that is too long.
    """
    for each in settings:
        trained = model.n_ctx_train
        tasks = [parse_workload(name) for name in workloads]
        most = (trained or each.n_ctx or 0) * max((it.n_sequences for it in tasks), default=1)
        if each.n_ctx and each.n_ctx > most:
            yield _too_long(each.n_ctx, trained)
            continue
        for task in tasks:
            if why := impossible_context(task, trained, each.n_ctx):
                yield why
        # 0 also where another program measured; here the header was read.
        if each.n_cpu_moe and not model.n_expert:
            option = _written(each, "n_cpu_moe")
            yield f"{option} has no effect: the model has no experts; leave it away"


def impossible_for_server(workloads: Sequence[str], model: ServedModel) -> Iterator[str]:
    """A sentence for each workload that is longer than what the server has for a request."""
    n_ctx = model.served.settings.n_ctx
    for task in map(parse_workload, workloads_for(model, workloads)):
        what = task.what if isinstance(task, UserLoad) else task
        # Of a text nobody knows its tokens but the server, unless its length is chosen.
        n_prompt = 0 if isinstance(what, Chat) else what.n_prompt
        n_needed = n_prompt + task.n_generated
        if n_ctx and n_needed > n_ctx:
            yield (
                f"{task.name} needs {n_needed} positions, and {model.key} has {n_ctx} for a "
                "request; start its server with a larger context, or ask for less"
            )


def impossible_for_kind(
    settings: Sequence[Settings], workloads: Sequence[str], model: ModelFile
) -> Iterator[str]:
    """A sentence for what a model that does not write cannot do; no `workloads`: its usual ones."""
    kind = MODEL_KINDS[model.kind]
    if kind.throughput is None:
        yield (
            f"{model.key} is {kind.text}: nothing of it can be measured alone; name the model that "
            "it belongs to"
        )
        return
    possible = workloads_of(model.kind, workloads)
    impossible = [name for name in workloads if name not in possible]
    if impossible:
        yield (
            f"{model.key} is {kind.text}: it cannot be measured in {', '.join(impossible)}; "
            f"--workload pp512 takes its {kind.throughput}"
        )
    if model.kind == "generates":
        return
    for name in workloads or usual_workloads([model.kind]):
        n_prompt = parse_workload(name).n_prompt
        for field in ("n_ubatch", "n_batch"):
            if any(getattr(each, field) < n_prompt for each in settings):
                yield (
                    f"{model.key} is {kind.text}: {name} needs --{option_name(field)} {n_prompt}, "
                    "or take a shorter one"
                )


def impossible_for_engine(settings: Sequence[Settings], engine: EngineInfo) -> Iterator[str]:
    """A sentence for each setting that is about devices that `engine` does not have."""
    names = [device.name for device in engine.devices]
    gpus = [device.name for device in engine.devices if device.is_gpu]
    for each in settings:
        for device in each.devices:
            if device not in names:
                yield (
                    f"--{option_name('devices')}: no device named {device}; this engine has "
                    f"{', '.join(names)}"
                )
    if not gpus:
        yield from _without_gpu(settings, names)
        return
    for each in settings:
        n_used = sum(name in gpus for name in each.devices) if each.devices else len(gpus)
        if each.main_gpu and each.main_gpu >= n_used:
            yield f"{_written(each, 'main_gpu')}: {n_used} GPUs are used, and counted from 0"
        if len(each.tensor_split) > n_used:
            yield f"{_written(each, 'tensor_split')} has more shares than the {n_used} GPUs used"


def asks_for_devices(settings: Sequence[Settings]) -> bool:
    """Whether `impossible_for_engine` can have anything to say of them, whatever the engine."""
    fields = ("devices", *_GPU_SETTINGS)
    return any(getattr(each, name) != getattr(_USUAL, name) for each in settings for name in fields)


def _without_gpu(settings: Sequence[Settings], names: Sequence[str]) -> Iterator[str]:
    for field, true_values in _GPU_SETTINGS.items():
        values = list(dict.fromkeys(getattr(each, field) for each in settings))
        ignored = [value for value in values if value not in true_values]
        if ignored or len(values) > 1:
            text = ",".join(map(value_text, ignored or values))
            yield (
                f"--{option_name(field)} {text} has no effect: this engine has no GPU, only "
                f"{', '.join(names)}; leave it away"
            )


def _written(settings: Settings, field: str) -> str:
    """The setting as it is typed: "--cache-type-v q8_0"."""
    return f"--{option_name(field)} {value_text(getattr(settings, field))}"

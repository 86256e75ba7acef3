"""Whether models fit, as a page: what each context takes, what would help, how fast it will be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from harness import units
from harness.analysis.device_memory import Fits, MemoryCapacity
from harness.analysis.verdict import meaning
from harness.commands.fit.answer import answers
from harness.commands.fit.audit import AuditResult
from harness.commands.fit.fit import FitFailure, FitResult
from harness.commands.fit.speeds import PredictedSpeed
from harness.measure.memory import ContextFit, ModelFit
from harness.report.page import Cell, Column, Note, Page, Table, explanation, notes
from harness.report.picture import Picture
from harness.report.rpc_servers import load_lines, server_lines
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.prediction import Method, Prediction

_FITS: dict[Fits | None, str] = {
    "yes": "yes", "when-freed": "if freed", "split": "in part", "no": "no", None: "",
}  # fmt: skip
_ORIGINS = {"local": "of the file here", "hub": "from", "shape": "made from"}
# A class that earlier results corrected is one still; the note says by how much.
_METHODS: dict[Method, str] = {"local-results": "machine-class"}
_EXPLAINED = (
    "Total: weights, KV cache and compute buffers of one context, as the engine plans them.",
    "Fits: yes, into what is free now; if freed, once other programs are closed; in part, with "
    "some of it in system memory, beside the devices that compute.",
)
_INTERVALS = "90 % interval: made to hold nine of ten later measurements; --audit tells how many."
_SPEEDS = (
    Column(None, "model"),
    Column("predicted", "what"),
    Column("", "", "right", interval="90 % interval"),
    Column(None, "workload"),
    Column(None, "note"),
)
_OVERVIEW = (
    Column("model", "model"),
    Column("weights", "weights_bytes", "right", unit="bytes"),
    Column("needs", "total_bytes", "right", unit="bytes"),
    Column("fits", "fits"),
    Column("largest", "n_ctx_max", "right"),
)
_AUDIT = (
    Column("", "what"),
    Column("by", "method"),
    Column("n", "n", "right"),
    Column("median", "median_error", "right", unit="ratio"),
    Column("90th pct.", "q90_error", "right", unit="ratio"),
    Column("bias", align="right"),
    Column(None, "bias"),
    Column("in interval", "coverage", "right", unit="ratio"),
)


def page(result: FitResult, pictures: Sequence[Picture] = ()) -> Page:
    """
    The answer; every model with the memory it is set against, or of many a row each.

    Args:
        result: What was found.
        pictures: One for each model, where there is room for them.
    """
    failures = tuple(Note((_failure(each),), is_whole=True) for each in result.failures)
    said = notes(list(answers(result)))
    if result.is_overview:
        table = Table(_OVERVIEW, tuple(_overview(it) for it, _ in result.fits))
        return (*said, table, *failures, *explanation(_EXPLAINED))
    models = [
        part
        for (it, speeds), picture in zip_longest(result.fits, pictures)
        for part in _model(it, speeds, picture)
    ]
    memory = _memory(result.capacity) if result.fits else ""
    servers = server_lines(result.machine) if result.fits else ()
    loads = [
        line
        for it, _ in result.fits
        for line in load_lines(result.machine, it.found.key, it.plan.weights)
    ]
    explained = explanation((*_EXPLAINED, _INTERVALS, meaning()) if result.fits else ())
    return (*said, *models, *notes(memory, servers, loads), *failures, *explained)


def hint(result: FitResult) -> Page:
    """What the overview is set against, and what is not in it."""
    if not result.is_overview:
        return ()
    return notes(
        f"{_memory(result.capacity)} {result.n_left_out} more cannot be laid out from their shape."
    )


def audit_page(result: AuditResult) -> Page:
    """How wrong the stored predictions were."""
    if not result.audits:
        return notes("No experiment here holds predictions that anything was measured for.")
    rows = tuple(
        (
            each.label,
            each.method,
            each.n,
            each.median_error,
            each.q90_error,
            f"{each.bias * 100:+.1f} %",
            each.bias,
            each.coverage,
        )
        for each in result.audits
    )
    legend = (
        f"Absolute relative errors of the predictions stored in {result.n_experiments} "
        "experiments; bias: median signed error, + predicted too high. Intervals are made to hold "
        "90 %."
    )
    return Table(_AUDIT, rows), *notes(legend)


def _model(fit: ModelFit, speeds: Sequence[PredictedSpeed], picture: Picture | None) -> Page:
    return (
        *notes(_head(fit)),
        *((picture,) if picture else ()),
        _contexts(fit),
        *((_devices(fit),) if len(fit.device_names) > 1 else ()),
        *notes(_largest(fit)),
        *((Note(fit.hints, "finding", title="What would help:"),) if fit.hints else ()),
        *((_speeds(fit.found.key, speeds),) if speeds else ()),
    )


def _head(fit: ModelFit) -> list[str]:
    found = fit.found
    source = "" if found.origin == "local" else f" {found.source}"
    lines = [
        f"{found.key} · {found.file.architecture} · {units.count(found.file.n_params)} parameters, "
        f"weights {units.memory_size(fit.plan.weights_bytes)}",
        f"Header {_ORIGINS[found.origin]}{source}.",
    ]
    kind = found.file.kind
    if kind != "generates":
        lines.append(
            f"It is {MODEL_KINDS[kind].text}: no speed is predicted, and there is no verdict on it."
        )
    return lines + ([f"Not the file's own header: {found.note}."] if found.note else [])


def _contexts(fit: ModelFit) -> Table:
    """A row for each context that can be planned; below it why the others cannot."""
    fits = [each for each in fit.contexts if each.fits]
    # What no context needs is a column for programs alone.
    sliding = "sliding" if any(each.of("kv-sliding") for each in fits) else None
    state = "state" if any(each.of("recurrent") for each in fits) else None
    columns = (
        Column(None, "model"),
        Column("context", "n_ctx", "right"),
        Column("cache", "cache"),
        Column("KV cache", "kv_bytes", "right", unit="bytes"),
        Column(sliding, "kv_sliding_bytes", "right", unit="bytes"),
        Column(state, "recurrent_bytes", "right", unit="bytes"),
        Column("compute", "compute_bytes", "right", unit="bytes"),
        Column("total", "total_bytes", "right", unit="bytes"),
        Column("fits", "fits"),
    )
    refused = tuple(
        f"{each.context.request.n_ctx} with {_cache(each)}: {each.context.message}."
        for each in fit.contexts
        if not each.fits
    )
    legend = (*_at_once(fit), *refused)
    return Table(columns, tuple(_context(fit, each) for each in fits), legend=legend)


def _at_once(fit: ModelFit) -> Iterator[str]:
    """What the engine plans for, of a model that reads a text in one micro-batch."""
    n = fit.settings.n_ubatch
    is_whole = fit.found.file.kind != "generates"
    if is_whole and any(each.context.request.n_ctx > n for each in fit.contexts):
        yield (
            f"Compute is for texts of up to {n} tokens, which are read at once: a longer one takes "
            "a larger --ubatch-size."
        )


def _context(fit: ModelFit, each: ContextFit) -> tuple[Cell, ...]:
    return (
        fit.found.key,
        each.context.request.n_ctx,
        _cache(each),
        each.of("kv"),
        each.of("kv-sliding"),
        each.of("recurrent"),
        each.of("compute", "output"),
        each.total_bytes,
        _FITS[each.fits],
    )


def _devices(fit: ModelFit) -> Table:
    """What each context takes of each device."""
    names = fit.device_names
    rows: list[tuple[Cell, ...]] = [
        (
            each.context.request.n_ctx,
            _cache(each),
            *(each.by_device.get(name, 0) for name in names),
        )
        for each in fit.contexts
        if each.fits
    ]
    devices = (Column(name, align="right", unit="bytes") for name in names)
    return Table((Column("context", align="right"), Column("cache"), *devices), tuple(rows))


def _cache(each: ContextFit) -> str:
    return cache_name(each.context.request.type_k, each.context.request.type_v)


def cache_name(type_k: str, type_v: str) -> str:
    """Both types of a cache, or the one they share."""
    return type_k if type_k == type_v else f"{type_k}/{type_v}"


def _largest(fit: ModelFit) -> list[str]:
    trained = fit.found.file.n_ctx_train
    lines = []
    for each in fit.largest:
        cache = cache_name(each.request.type_k, each.request.type_v)
        if each.n_ctx is None:
            text = each.message or "not even the shortest fits into what is free"
        elif trained and each.n_ctx >= trained:
            text = f"{trained} positions, all that the model was trained for"
        else:
            text = f"{each.n_ctx} positions"
        lines.append(f"Largest context that fits with a {cache} cache: {text}.")
    return lines


def _speeds(key: str, speeds: Sequence[PredictedSpeed]) -> Table:
    """A row a speed; below it how each was predicted, or why it was not."""
    found: dict[str, list[str]] = {}
    rows: list[tuple[Cell, ...]] = []
    for speed in speeds:
        figure = speed.figure
        note = figure.reason if not isinstance(figure, Prediction) else _by(figure)
        found.setdefault(note, []).append(speed.title)
        shown: Cell = speed.value or speed.bound or None
        rows.append((key, speed.title, shown, figure.workload, note))
    legend = tuple(
        f"{'; '.join(titles) if len(titles) < len(speeds) else 'All'}: {note}."
        for note, titles in found.items()
    )
    return Table(_SPEEDS, tuple(rows), legend=legend)


def _by(prediction: Prediction) -> str:
    return f"by {_METHODS.get(prediction.method, prediction.method)}, {prediction.note}"


def _memory(capacity: MemoryCapacity) -> str:
    """The memory that everything is set against, in a sentence."""
    text = (
        f"Memory: {units.memory_size(capacity.free_bytes)} free now of "
        f"{units.memory_size(capacity.total_bytes)}"
    )
    if capacity.gpu_limit_bytes is not None:
        text += f", of which the GPU may use {units.memory_size(capacity.gpu_limit_bytes)}"
    return text + "."


def _overview(fit: ModelFit) -> tuple[Cell, ...]:
    """The shortest context planned, and the largest that fits."""
    first = next((each for each in fit.contexts if each.fits), None)
    most = next(iter(fit.largest), None)
    return (
        fit.found.key,
        fit.plan.weights_bytes,
        first.total_bytes if first else None,
        _FITS[first.fits] if first else "refused",
        most.n_ctx if most and most.n_ctx else "none",
    )


def _failure(failure: FitFailure) -> str:
    """All there is to say of a model."""
    return f"{failure.model}: {failure.message}"

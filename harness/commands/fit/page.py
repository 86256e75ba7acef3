"""Whether models fit, as text: what each context takes, what would help, how fast it will be."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tabulate import tabulate

from harness import units
from harness.analysis.device_memory import Fits, MemoryCapacity
from harness.commands.fit.audit import ComponentAudit
from harness.commands.fit.fit import FitFailure, PredictedSpeed
from harness.measure.memory import ContextFit, ModelFit
from harness.report.text import harmless, wrapped
from harness.schema.prediction import Method, Prediction

_FITS: dict[Fits | None, str] = {
    "yes": "yes", "when-freed": "if freed", "split": "in part", "no": "no", None: "",
}  # fmt: skip
_ORIGINS = {"local": "of the file here", "hub": "from", "shape": "made from"}
# A class that earlier results corrected is one still; the note says by how much.
_METHODS: dict[Method, str] = {"anchors": "machine-class"}
_SHOWN: dict[str, Callable[[float], str]] = {
    "tok_per_s": lambda rate: f"{units.significant(rate)} tok/s",
    "ttft_ms": lambda ms: units.duration(ms * 1e6),
}


def fit_text(fit: ModelFit, speeds: Sequence[PredictedSpeed]) -> str:
    """One model in 80 columns."""
    lines = [*_head(fit), "", _table(fit)]
    for each in fit.contexts:
        if not each.fits:
            what = f"{each.context.request.n_ctx} with {_cache(each)}: {each.context.message}."
            lines += wrapped(harmless(what))
    if len(fit.device_names) > 1:
        lines += ["", _device_table(fit)]
    lines += ["", *_largest(fit)]
    if fit.hints:
        lines += ["", "What would help:"]
        lines += [line for hint in fit.hints for line in wrapped(hint, lead="  - ")]
    if speeds:
        lines += ["", *_speed_lines(speeds)]
    return "\n".join(lines)


def capacity_text(capacity: MemoryCapacity) -> str:
    """The memory that everything is set against, in a sentence."""
    text = (
        f"Memory: {units.memory_size(capacity.free_bytes)} free now of "
        f"{units.memory_size(capacity.total_bytes)}"
    )
    if capacity.gpu_limit_bytes is not None:
        text += f", of which the GPU may use {units.memory_size(capacity.gpu_limit_bytes)}"
    return text + "."


def _head(fit: ModelFit) -> list[str]:
    found = fit.found
    origin = _ORIGINS[found.origin]
    source = "" if found.origin == "local" else f" {found.source}"
    facts = [
        f"{found.key} · {found.file.architecture} · {units.count(found.file.n_params)} parameters",
        f"weights {units.memory_size(fit.plan.weights_bytes)}",
    ]
    lines = wrapped(harmless(", ".join(facts)))
    lines += wrapped(harmless(f"Header {origin}{source}."))
    if found.note:
        lines += wrapped(harmless(f"Not the file's own header: {found.note}."))
    return lines


def _table(fit: ModelFit) -> str:
    fits = [each for each in fit.contexts if each.fits]
    has_sliding = any(each.of("kv-sliding") for each in fits)
    has_state = any(each.of("recurrent") for each in fits)
    headers = ["context", "cache", "KV cache"]
    headers += ["sliding"] * has_sliding + ["state"] * has_state + ["compute", "total", "fits"]
    rows = [
        [
            str(each.context.request.n_ctx),
            _cache(each),
            units.memory_size(each.of("kv")),
            *([units.memory_size(each.of("kv-sliding"))] * has_sliding),
            *([units.memory_size(each.of("recurrent"))] * has_state),
            units.memory_size(each.of("compute", "output")),
            units.memory_size(each.total_bytes),
            _FITS[each.fits],
        ]
        for each in fits
    ]
    return _columns(headers, rows, f"rl{'r' * (len(headers) - 3)}l")


def _device_table(fit: ModelFit) -> str:
    names = fit.device_names
    rows = [
        [
            str(each.context.request.n_ctx),
            _cache(each),
            *(units.memory_size(each.by_device.get(name, 0)) for name in names),
        ]
        for each in fit.contexts
        if each.fits
    ]
    headers = ["context", "cache", *(harmless(name) for name in names)]
    return _columns(headers, rows, f"rl{'r' * len(names)}")


def _cache(each: ContextFit) -> str:
    return cache_name(each.context.request.type_k, each.context.request.type_v)


def _columns(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A plain table; `align` has a letter a column, "l" or "r"."""
    # tabulate pads its own headers by two columns, which 80 do not have to spare.
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    sides = [{"l": "left", "r": "right"}[letter] for letter in align]
    return tabulate(
        [headers, ["-" * width for width in widths], *rows],
        tablefmt="plain",
        disable_numparse=True,
        colalign=sides,
    )


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
        lines += wrapped(f"Largest context that fits with a {cache} cache: {text}.")
    return lines


def _speed_lines(speeds: Sequence[PredictedSpeed]) -> list[str]:
    rows: list[list[str]] = []
    notes: dict[str, list[str]] = {}
    for told in speeds:
        figure = told.figure
        shown = _SHOWN[figure.component]
        if isinstance(figure, Prediction):
            rows.append([told.title, shown(figure.value), _range(figure.low, figure.high, shown)])
            method = _METHODS.get(figure.method, figure.method)
            notes.setdefault(f"by {method}, {figure.note}", []).append(told.title)
        else:
            rows.append([told.title, "–", _range(figure.low, figure.high, shown)])
            notes.setdefault(figure.reason, []).append(told.title)
    table = _columns(["foretold", "", "9 of 10 lie in"], rows, "lrl")
    lines = [
        f"{'; '.join(titles) if len(titles) < len(rows) else 'All'}: {note}."
        for note, titles in notes.items()
    ]
    return [table, *(line for text in lines for line in wrapped(harmless(text)))]


def _range(low: float | None, high: float | None, shown: Callable[[float], str]) -> str:
    if low is None and high is None:
        return ""
    if low is None:
        return f"at most {shown(high or 0.0)}"
    if high is None:
        return f"at least {shown(low)}"
    return f"{shown(low)} – {shown(high)}"


def overview_text(fits: Sequence[ModelFit], failures: Sequence[FitFailure]) -> str:
    """Many models, one line each: the shortest context planned, and the largest that fits."""
    rows = []
    for fit in fits:
        first = next((each for each in fit.contexts if each.fits), None)
        most = next(iter(fit.largest), None)
        rows.append(
            [
                harmless(fit.found.key),
                units.memory_size(fit.plan.weights_bytes),
                units.memory_size(first.total_bytes) if first else "",
                _FITS[first.fits] if first else "refused",
                str(most.n_ctx) if most and most.n_ctx else "none",
            ]
        )
    headers = ["model", "weights", "needs", "fits", "largest"]
    table = _columns(headers, rows, "lrrlr")
    return "\n".join([table, *(failure_text(each) for each in failures)])


def failure_text(failure: FitFailure) -> str:
    """A model's row where there is nothing else to say of it."""
    return f"{harmless(failure.model)}: {harmless(failure.message)}"


def audit_text(audits: Sequence[ComponentAudit], n_experiments: int) -> str:
    """How wrong the stored predictions were."""
    if not audits:
        return "No experiment here holds predictions that anything was measured for."
    rows = [
        [
            each.label,
            each.method,
            str(each.n),
            units.percent(each.median_error),
            units.percent(each.q90_error),
            f"{each.bias * 100:+.1f} %",
            units.percent(each.coverage),
        ]
        for each in audits
    ]
    headers = ["", "by", "n", "median", "90th pct.", "bias", "in interval"]
    table = _columns(headers, rows, "llrrrrr")
    legend = (
        f"Absolute relative errors of the predictions stored in {n_experiments} experiments; "
        "bias: median signed error, + foretold too high. Intervals are made to hold 90 %."
    )
    return "\n".join([table, "", *wrapped(legend)])

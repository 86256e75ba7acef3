"""The catalogue, one model of it, a header, and files of other programs, as pages."""

from __future__ import annotations

from harness import units
from harness.commands.models.models import (
    CatalogList,
    CatalogModel,
    CatalogRow,
    ModelsResult,
    VariantStatus,
)
from harness.measure.memory import DEFAULT_CONTEXT
from harness.models.catalog.spec import HubSource, ModelSpec, Shape, Variant, WheelSource
from harness.models.gguf.companions import told_of
from harness.models.gguf.kind import POOLING, reading_keys
from harness.models.model import Model
from harness.models.stores import LocalModels
from harness.report.page import Cell, Column, Facts, Page, Quantity, Table, notes
from harness.schema.model_kind import MODEL_KINDS, ModelKind, kind_of
from harness.schema.work import Work

_FITS = {True: "yes", False: "no", None: "unknown"}
_NONE_LIKE_THAT = "No model of the catalogue is like that; `harness models` lists them all."
_NONE_HERE = "Neither Ollama, LM Studio, llama.cpp nor the Hugging Face cache has one here."
_LOCAL = (
    Column("origin", "origin"),
    Column("name", "name"),
    Column("type", "quantization"),
    Column("size", "n_bytes", "right", unit="file bytes"),
)


def page(result: ModelsResult) -> Page:
    """What answers, in full."""
    match result:
        case CatalogList():
            return _catalog(result)
        case CatalogModel():
            return _model(result)
        case Model():
            return (_header(result),)
        case _:
            return _local(result)


def hint(result: ModelsResult) -> Page:
    """What else to know of it."""
    if isinstance(result, CatalogList) and result.rows and result.memory_bytes is not None:
        memory = units.memory_size(result.memory_bytes)
        return notes(
            f"At {DEFAULT_CONTEXT} positions, in {memory} of memory: estimated, and planned by the "
            f"engine where that was close; {result.n_left_out} others left out."
        )
    if isinstance(result, LocalModels) and result.files:
        return notes("Every command takes these names: `harness run NAME` measures one in place.")
    if isinstance(result, CatalogModel) and result.row.variant:
        return _next(result.row)
    return ()


def _next(row: CatalogRow) -> Page:
    """What to do with a model of the catalogue."""
    here = next((each.variant for each in row.variants if each.path), None)
    if here:
        return notes(f"Next: `harness run {row.spec.name}:{here.quantization}` measures it.")
    assert row.variant
    name = f"{row.spec.name}:{row.variant.quantization}"
    return notes(
        f"Next: `harness fit {name}` tells whether it runs here and how fast; "
        f"`harness pull {name}` fetches it."
    )


def _catalog(result: CatalogList) -> Page:
    """One line a model, a star for what is here; whether it fits in the place of the licence."""
    if not result.rows:
        return notes(_NONE_LIKE_THAT)
    columns = (
        Column("model (* is here)"),
        Column("variant", "variant"),
        Column("size", align="right"),
        Column("params", "n_params", "right", unit="parameters"),
        Column("from", "country"),
        Column("licence" if result.memory_bytes is None else "fits"),
        *(Column(None, key) for key in ("model", "lab", "n_bytes", "licence", "fits")),
    )
    return (Table(columns, tuple(_row(each, result) for each in result.rows)),)


def _row(row: CatalogRow, result: CatalogList) -> tuple[Cell, ...]:
    spec, variant = row.spec, row.variant
    total = spec.parameters.total
    fits = None if result.memory_bytes is None else _FITS[row.fits]
    return (
        f"{spec.name} *" if row.is_here else spec.name,
        variant.quantization if variant else "",
        _size(variant) if variant else "",
        total,
        spec.country,
        fits or _licence_in_short(spec.licence),
        spec.name,
        spec.lab,
        variant.size_bytes if variant else None,
        spec.licence,
        fits,
    )


def _model(result: CatalogModel) -> Page:
    """Everything the catalogue says of one model; where it was asked, also what fits."""
    spec = result.row.spec
    also = (*spec.aliases, *((spec.original,) if spec.original else ()))
    trained = spec.context_trained
    facts = (
        ("Also called", ", ".join(also)),
        ("Lab", ", ".join(part for part in (spec.lab, spec.country) if part)),
        ("Licence", spec.licence or "not confirmed: read it before you use the model"),
        ("Clause", spec.clause),
        ("Released", spec.released.isoformat() if spec.released else ""),
        ("Superseded by", ", ".join(spec.superseded_by)),
        ("Architecture", ", ".join(part for part in (spec.architecture, _kind(spec)) if part)),
        ("Kind", _does(kind_of(spec.architecture or ""))),
        ("Parameters", _parameters(spec)),
        ("Context", f"{trained} positions, as trained" if trained else ""),
        ("Layers", _layers(spec.shape) if spec.shape else ""),
        ("Attention", _attention(spec.shape) if spec.shape else ""),
    )
    variants = [_variant(each, result.memory_bytes) for each in result.row.variants]
    return Facts(facts, spec.name), *(variants or notes("No GGUF file of it is known."))


def _variant(status: VariantStatus, memory_bytes: int | None) -> Facts:
    variant, source = status.variant, status.variant.source
    parts = [variant.quantization, _size(variant) or "size unknown"]
    if variant.n_shards:
        parts.append(f"in {variant.n_shards} parts")
    if memory_bytes is not None:
        parts.append(f"fits: {_FITS[status.fits]}")
    facts: tuple[tuple[str, Cell], ...]
    if isinstance(source, HubSource):
        facts = (("from", source.repo), ("revision", source.revision), ("file", source.file))
    elif isinstance(source, WheelSource):
        facts = (("from", f"the Python package {source.package} {source.version}"),)
    else:
        facts = (("from", "this program itself"),)
    facts += (("sha256", variant.sha256), ("here", status.path))
    return Facts(facts, ", ".join(parts))


def _header(found: Model) -> Facts:
    """What a file's header tells of a model that the catalogue need not know."""
    file = found.file
    experts = f"{file.n_expert} experts, {file.n_expert_used} of them for a token"
    bytes_by_type = sorted(file.tensor_bytes.items(), key=lambda item: -item[1])
    types = [
        f"{name} {units.percent(n_bytes / file.weights_bytes)}" for name, n_bytes in bytes_by_type
    ]
    n_parts = len(found.parts)
    is_causal, pooling = reading_keys(found.headers[0])
    read_bytes, trained = file.token_read_bytes, file.n_ctx_train
    size = units.file_size(file.n_bytes)
    facts: tuple[tuple[str, Cell], ...] = (
        ("Source", found.source),
        ("Quantization", file.quantization),
        ("Size", f"{size} in {n_parts} parts" if n_parts > 1 else size),
        ("Architecture", ", ".join([file.architecture, *([experts] if file.n_expert else [])])),
        ("Kind", _does(file.kind)),
        ("Attention", "not causal" if is_causal is False else ""),
        ("Pooling", POOLING.get(pooling or 0, "")),
        ("Parameters", Quantity(file.n_params, "parameters")),
        ("Layers", f"{file.n_layer} of width {file.n_embd}"),
        ("Vocabulary", file.n_vocab or None),
        ("Context", f"{trained} positions, as trained" if trained else ""),
        ("Types", ", ".join(types)),
        ("Read per token", f"{units.file_size(read_bytes)} of weights" if read_bytes else ""),
        ("Cache", _cache(found.work) if file.kind == "generates" else ""),
        ("sha256", file.sha256),
    )
    return Facts(facts, found.key)


def _does(kind: ModelKind) -> str:
    """What a model does that is not a language model; nothing of one that is."""
    return "" if kind == "generates" else MODEL_KINDS[kind].text


def _cache(work: Work) -> str:
    """What a position takes while no window is full, and where there are windows, behind them."""
    first = work.cache_read_bytes(1)
    if not first:
        return ""
    windows = {it.n_positions_max for it in work.attention if it.n_positions_max is not None}
    text = f"{units.memory_size(first)} a position, in f16"
    if not windows:
        return text
    beyond = work.cache_read_bytes(max(windows) + 1) - work.cache_read_bytes(max(windows))
    return f"{text}, and {units.memory_size(beyond)} behind a window of {max(windows)}"


def _local(here: LocalModels) -> Page:
    """Models that other programs hold, below the program's name."""
    files = here.files
    passed = notes(f"Passed over: {told_of(here.passed_over)}.") if here.passed_over else ()
    if not files:
        return (*notes(_NONE_HERE), *passed)
    order = list(dict.fromkeys(file.origin for file in files))
    rows = [
        (
            *(it.origin, ", ".join((it.name, *it.other_names)), it.quantization, it.n_bytes),
            *(MODEL_KINDS[it.kind].noun, it.kind, it.path),
        )
        for it in sorted(files, key=lambda file: order.index(file.origin))
    ]
    kinds = {it.kind for it in files} != {"generates"}
    columns = (
        *(*_LOCAL, Column("kind" if kinds else None, ""), Column(None, "kind")),
        Column("path", "path"),
    )
    return (Table(columns, tuple(rows), is_grouped=True), *passed)


def _size(variant: Variant) -> str:
    """Empty when unknown; a rounded one begins with "~" and has two digits."""
    if variant.n_bytes:
        return units.file_size(variant.n_bytes)
    return f"~{units.file_size(variant.approx_bytes, 2)}" if variant.approx_bytes else ""


def _licence_in_short(licence: str | None) -> str:
    if licence is None:
        return "unknown"
    return "own terms" if licence.startswith("LicenseRef-") else licence


def _kind(spec: ModelSpec) -> str:
    shape = spec.shape
    if spec.kind == "dense":
        return "dense"
    if shape is None or shape.n_expert is None:
        return "mixture of experts"
    shared = f" and {shape.n_expert_shared} shared" if shape.n_expert_shared else ""
    return f"mixture of {shape.n_expert} experts, {shape.n_expert_used} of them{shared} for a token"


def _parameters(spec: ModelSpec) -> str:
    total, active = spec.parameters.total, spec.parameters.active
    if spec.kind == "dense":
        return units.count(total) if total else ""
    texts = [f"{units.count(total)} in all"] if total else []
    texts += [f"{units.count(active)} active"] if active else []
    return ", ".join(texts)


def _layers(shape: Shape) -> str:
    texts = [f"{shape.n_layer} of width {shape.n_embd}"]
    if shape.leading_dense_layers:
        texts.append(f"the first {shape.leading_dense_layers} without experts")
    if shape.n_vocab:
        texts.append(f"vocabulary of {shape.n_vocab}")
    return ", ".join(texts)


def _attention(shape: Shape) -> str:
    texts = []
    if shape.n_head and shape.n_head_kv:
        texts.append(f"{shape.n_head} heads on {shape.n_head_kv} of keys and values")
    if shape.n_layer_full_attn:
        texts.append(f"{shape.n_layer_full_attn} layers see the whole context")
    if shape.swa:
        elsewhere = "and compressed positions behind it" if shape.compressed else "in the others"
        texts.append(f"a window of {shape.swa} {elsewhere}")
    if shape.linear_attention:
        texts.append(f"{shape.linear_attention} in others")
    if shape.mla:
        texts.append(f"latent, rank {shape.mla.kv_lora_rank}")
    return ", ".join(texts)

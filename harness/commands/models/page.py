"""The catalogue as a table, one model as a page, and both as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from harness import units
from harness.models.catalog.choice import Choice, fits
from harness.models.catalog.spec import HubSource, ModelSpec, Shape, Variant, WheelSource
from harness.report.text import harmless, wrapped

_LABEL_WIDTH = 14
_FITS = {True: "yes", False: "no", None: "unknown"}

# Where a variant lies on this disk, None if it does not.
Whereabouts = Callable[[ModelSpec, Variant], Path | None]


def catalog_table(choices: Sequence[Choice], where: Whereabouts, *, has_fits: bool) -> str:
    """
    One line a model, in 80 columns for names of up to 30 characters.

    A star marks what is here; `has_fits` puts whether it fits in the place of the licence.
    """
    rows = []
    for choice in choices:
        spec = choice.spec
        is_here = any(where(spec, variant) for variant in spec.variants)
        rows.append(
            [
                f"{spec.name} *" if is_here else spec.name,
                choice.variant.quantization if choice.variant else "",
                _size(choice.variant) if choice.variant else "",
                units.count(spec.parameters.total) if spec.parameters.total else "",
                spec.country or "",
                _FITS[choice.fits] if has_fits else _licence_in_short(spec.licence),
            ]
        )
    headers = ["model (* is here)", "variant", "size", "params", "from"]
    headers.append("fits" if has_fits else "licence")
    # tabulate pads its own headers by two columns, which 80 do not have to spare.
    widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
    lines = ["-" * width for width in widths]
    return tabulate(
        [headers, lines, *rows],
        tablefmt="plain",
        disable_numparse=True,
        colalign=("left", "left", "right", "right", "left", "left"),
    )


def model_page(spec: ModelSpec, where: Whereabouts, memory_bytes: int | None) -> str:
    """Everything the catalogue says of one model; with `memory_bytes` also what fits in it."""
    also = (*spec.aliases, *((spec.original,) if spec.original else ()))
    facts = [
        ("Also called", ", ".join(also)),
        ("Lab", ", ".join(part for part in (spec.lab, spec.country) if part)),
        ("Licence", spec.licence or "not confirmed: read it before you use the model"),
        ("Clause", spec.clause or ""),
        ("Released", spec.released.isoformat() if spec.released else ""),
        ("Superseded by", ", ".join(spec.superseded_by)),
        ("Architecture", ", ".join(part for part in (spec.architecture, _kind(spec)) if part)),
        ("Parameters", _parameters(spec)),
        (
            "Context",
            f"{spec.context_trained} positions, as trained" if spec.context_trained else "",
        ),
        ("Layers", _layers(spec.shape) if spec.shape else ""),
        ("Attention", _attention(spec.shape) if spec.shape else ""),
    ]
    lines = [spec.name]
    for label, text in facts:
        if text:
            lines += wrapped(harmless(text), lead=f"{label:<{_LABEL_WIDTH}}")
    if not spec.variants:
        lines += ["", "No GGUF file of it is known."]
    for variant in spec.variants:
        lines += ["", *_variant_lines(variant, where(spec, variant), memory_bytes)]
    return "\n".join(lines)


def model_document(choice: Choice, where: Whereabouts, memory_bytes: int | None) -> dict[str, Any]:
    """One model of the JSON document (docs/reference/json.md)."""
    spec = choice.spec
    facts = spec.model_dump(mode="json", exclude={"parameters", "context_trained", "variants"})
    chosen = choice.variant
    return facts | {
        "n_params": spec.parameters.total,
        "n_params_active": spec.parameters.active,
        "n_ctx_train": spec.context_trained,
        "variant": chosen.quantization if chosen else None,
        "variants": [
            _variant_document(spec, variant, where(spec, variant), memory_bytes)
            for variant in spec.variants
        ],
    }


def _variant_document(
    spec: ModelSpec, variant: Variant, path: Path | None, memory_bytes: int | None
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "model": f"{spec.name}:{variant.quantization}",
        **variant.model_dump(mode="json"),
        "path": str(path) if path else None,
    }
    return facts if memory_bytes is None else facts | {"fits": fits(variant, memory_bytes)}


def _variant_lines(variant: Variant, path: Path | None, memory_bytes: int | None) -> list[str]:
    parts = [_size(variant) or "size unknown"]
    if variant.n_shards:
        parts.append(f"in {variant.n_shards} parts")
    if memory_bytes is not None:
        parts.append(f"fits: {_FITS[fits(variant, memory_bytes)]}")
    lines = [f"{variant.quantization:<{_LABEL_WIDTH}}{', '.join(parts)}"]
    source = variant.source
    if isinstance(source, HubSource):
        lines.append(f"  {source.repo}")
        lines += [f"  revision {source.revision}"] if source.revision else []
        lines += [f"  {source.file}"] if source.file else []
    elif isinstance(source, WheelSource):
        lines.append(f"  in the Python package {source.package} {source.version}")
    else:
        lines.append("  written by this program itself")
    lines += [f"  sha256 {variant.sha256}"] if variant.sha256 else []
    lines += [f"  here: {path}"] if path else []
    return [harmless(line) for line in lines]


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

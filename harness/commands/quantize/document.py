"""The JSON document of `harness quantize`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.commands.quantize.quantize import Made, QuantizeResult, State
from harness.models.quantizations import QuantizationSource


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """
    The file that the others are made from.

    Attributes:
        is_quantized: Whether it is quantized itself, so that the errors of both add up.
    """

    model: str
    path: Path
    quantization: str
    n_bytes: int
    bits_per_weight: float
    is_quantized: bool
    sha256: str | None


@dataclass(frozen=True, slots=True)
class QuantizedFile:
    """
    One of the files.

    Attributes:
        state: "kept": it was there. "source": the source is of that type. "planned": with --list.
            "refused": the engine would not make it.
        message: Why, where that is needed.
        model: What every command calls it; null where it does not lie in the cache.
        path: Where it lies, or would; null where there is none.
        n_bytes: What lies there.
        n_bytes_planned: What the headers predict.
        n_tensors_fallback: Tensors that got another type than the mix wants, since their rows are
            no multiple of its block.
        requantized_from: The source's quantization, where that was one.
    """

    quantization: str
    state: State
    message: str | None
    model: str | None
    path: Path | None
    n_bytes: int | None
    n_bytes_planned: int
    bits_per_weight: float
    n_tensors: int
    n_tensors_fallback: int
    requantized_from: str | None


@dataclass(frozen=True, slots=True)
class QuantizeDocument:
    """
    Other quantizations of a model.

    Attributes:
        source: What they are made from.
        folder: Where they lie.
        files: In the order asked for.
    """

    source: SourceDocument
    folder: Path
    files: tuple[QuantizedFile, ...]


def document(result: QuantizeResult) -> QuantizeDocument:
    """The same as the page, for programs."""
    source = result.source
    return QuantizeDocument(
        source=SourceDocument(
            model=source.model.key,
            path=source.model.weights,
            quantization=source.quantization,
            n_bytes=source.model.file.n_bytes,
            bits_per_weight=source.bits_per_weight,
            is_quantized=source.is_quantized,
            sha256=source.sha256,
        ),
        folder=result.folder,
        files=tuple(_file(source, each) for each in result.made),
    )


def _file(source: QuantizationSource, made: Made) -> QuantizedFile:
    planned, path = made.planned, made.path(source)
    is_source = made.state == "source"
    is_there = made.is_here or is_source
    return QuantizedFile(
        quantization=planned.file_type,
        state=made.state,
        message=made.message or None,
        model=source.model.key if is_source else made.name or None,
        path=path,
        n_bytes=path.stat().st_size if path and is_there else None,
        n_bytes_planned=planned.n_bytes,
        bits_per_weight=source.bits_per_weight if is_source else planned.bits_per_weight,
        n_tensors=len(planned.types),
        n_tensors_fallback=planned.n_fallback,
        requantized_from=source.quantization if source.is_quantized and not is_source else None,
    )

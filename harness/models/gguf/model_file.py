"""
What a GGUF says about the model in it: size, shape, and the bytes that one token reads.

`describe` takes a path (and follows a split model's other parts); `model_file_of` is the pure
half of it, from headers already read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.bounded import open_regular
from harness.errors import ModelInvalid
from harness.files import unreadable
from harness.models.gguf.facts import HeaderFacts, token_read_bytes
from harness.models.gguf.header import Header, Skipped, Tensor, read_header
from harness.models.gguf.kind import header_kind
from harness.models.gguf.shards import check_parts, shard_paths
from harness.models.gguf.tensor_types import FILE_TYPES
from harness.schema.model import ModelFile

_GUESSED = 1024  # llama.h: LLAMA_FTYPE_GUESSED


def describe(
    path: Path, key: str, quantization: str | None = None, sha256: str | None = None
) -> ModelFile:
    """
    The ModelFile of the GGUF at `path`; for a split model, of all its parts.

    Args:
        path: The file, or the first part of a split model.
        key: What the model is called in an experiment.
        quantization: The catalogue's name of it; None takes the header's.
        sha256: Of the file, when known.

    Raises:
        ModelInvalid: Not a model the engine could load, or unreadable.
        ModelNotFound: A part of a split model is missing.
    """
    headers, n_bytes = headers_of(path)
    return model_file_of(
        headers,
        name=str(path),
        key=key,
        file_name=path.name,
        n_bytes=n_bytes,
        quantization=quantization,
        sha256=sha256,
    )


def headers_of(path: Path) -> tuple[list[Header], int]:
    """
    The headers of the model at `path`, one a part, and the bytes of all its files.

    Raises:
        ModelInvalid, ModelNotFound: As `describe`.
    """
    headers, n_bytes = [], 0
    for part in shard_paths(path):
        try:
            size = part.stat().st_size
            with open_regular(part) as file:
                headers.append(read_header(file, size, str(part)))
        except OSError as error:
            raise ModelInvalid(unreadable(part, error)) from error
        n_bytes += size
    return headers, n_bytes


def model_file_of(
    headers: Sequence[Header],
    *,
    name: str,
    key: str,
    file_name: str,
    n_bytes: int,
    quantization: str | None,
    sha256: str | None,
) -> ModelFile:
    """
    The ModelFile that `headers` (one a part, first part first) amount to.

    Raises:
        ModelInvalid: No language model, a key without which it cannot be one, or parts that do
            not belong together.
    """
    check_parts(headers, name)
    facts = HeaderFacts(headers[0], name)
    tensors = [tensor for header in headers for tensor in header.tensors]
    facts.check_is_model(tensors)
    tensor_bytes: Counter[str] = Counter()
    for tensor in tensors:
        tensor_bytes[tensor.type_name] += tensor.n_bytes
    kind = header_kind(headers[0])
    n_experts_used = facts.per_layer("expert_used_count")
    return ModelFile(
        key=key,
        file_name=file_name,
        n_bytes=n_bytes,
        sha256=sha256,
        quantization=quantization or _quantization(headers[0], tensor_bytes),
        architecture=facts.architecture,
        n_params=sum(tensor.n_elements for tensor in tensors),
        n_layer=facts.n_layer,
        n_embd=facts.required("embedding_length"),
        n_vocab=_n_vocab(facts, tensors),
        n_ctx_train=facts.optional("context_length") or None,
        n_expert=facts.optional("expert_count") or 0,
        n_expert_used=max(n_experts_used or (0,)),
        weights_bytes=sum(tensor_bytes.values()),
        tensor_bytes=dict(tensor_bytes),
        token_read_bytes=token_read_bytes(facts, tensors) if kind == "generates" else None,
        kind=kind,
    )


def _quantization(header: Header, tensor_bytes: Counter[str]) -> str:
    """The header's own file type, or the type most weights are stored in."""
    number = header.metadata.get("general.file_type")
    if isinstance(number, int) and not number & _GUESSED and number in FILE_TYPES:
        return FILE_TYPES[number]
    return tensor_bytes.most_common(1)[0][0]


def _n_vocab(facts: HeaderFacts, tensors: Sequence[Tensor]) -> int | None:
    tokens = facts.metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, Skipped) and tokens.length:
        return tokens.length
    if stated := facts.optional("vocab_size"):
        return stated
    rows = [tensor.shape[-1] for tensor in tensors if tensor.name == "token_embd.weight"]
    return rows[0] if rows and rows[0] else None

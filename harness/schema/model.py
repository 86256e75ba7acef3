"""What is measured: a file that the engine loads here, or what a server has loaded."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from harness.schema.model_kind import ModelKind, with_kind
from harness.schema.record import Record
from harness.schema.served import Served

ModelKey = str  # "smollm2-135m:Q4_1", "owner/repo:QUANT" or a file name: unique within a Plan


class ModelFile(Record):
    """
    What a GGUF header says, and the identity of the file.

    `token_read_bytes` are the weights read for one decoded token: active experts, everything
    dense, the output head; not the embedding look-up; None where no token is decoded. A `kind` that
    a record lacks is its architecture's. A twin has the real model's header and random weights.
    `kv_read_bytes_per_position` is in records before schema 5 alone: what a cached position adds in
    f16, layers with a window counted in full. Where another program measured, `n_bytes` is of the
    weights and much of the header is None.
    """

    key: ModelKey
    file_name: str
    n_bytes: PositiveInt
    sha256: str | None
    quantization: str
    architecture: str
    n_params: PositiveInt
    n_layer: PositiveInt | None
    n_embd: PositiveInt | None
    n_vocab: PositiveInt | None
    n_ctx_train: PositiveInt | None
    n_expert: NonNegativeInt = 0
    n_expert_used: NonNegativeInt = 0
    weights_bytes: PositiveInt
    tensor_bytes: dict[str, int]
    """Tensor type name ("Q4_1") to the bytes stored in it."""
    token_read_bytes: PositiveInt | None
    kv_read_bytes_per_position: NonNegativeInt | None = None
    is_twin: bool = False
    kind: ModelKind = "generates"

    _knows_its_kind = model_validator(mode="before")(with_kind)

    @property
    def served(self) -> None:
        """No server's."""


class ServedModel(Record):
    """
    What a server tells of a model that it has loaded; the names are those of ModelFile.

    Where the same bytes are a file here, `sha256` says which, and the facts are its header's.
    `file_name` is what the server calls it.
    """

    key: ModelKey
    served: Served
    file_name: str
    n_bytes: PositiveInt | None = None
    sha256: str | None = None
    quantization: str | None = None
    architecture: str | None = None
    n_params: PositiveInt | None = None
    n_ctx_train: PositiveInt | None = None
    weights_bytes: PositiveInt | None = None

    @classmethod
    def of_file(cls, file: ModelFile, key: ModelKey, served: Served, file_name: str) -> Self:
        """What is served of a file that is here, under a key of its own."""
        return cls(
            key=key,
            served=served,
            file_name=file_name,
            sha256=file.sha256,
            n_bytes=file.n_bytes,
            quantization=file.quantization,
            architecture=file.architecture,
            n_params=file.n_params,
            n_ctx_train=file.n_ctx_train,
            weights_bytes=file.weights_bytes,
        )

    @property
    def is_twin(self) -> bool:
        """Nobody serves one."""
        return False

    @property
    def kind(self) -> ModelKind:
        """What is asked for text writes it."""
        return "generates"

    @property
    def token_read_bytes(self) -> None:
        """How it is read is its server's affair."""


AnyModel = Annotated[ModelFile | ServedModel, Field(union_mode="left_to_right")]
"""A file that the engine loads here, or what a server has loaded."""

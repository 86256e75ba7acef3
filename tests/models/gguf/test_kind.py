from __future__ import annotations

import io

import pytest
from make.gguf import SMALL, Value, Weight, head
from make.other_kinds import OTHER_KINDS

from harness.models.gguf.header import Header, read_header
from harness.models.gguf.kind import header_kind, reading_keys
from harness.models.gguf.model_file import model_file_of
from harness.models.gguf.part import made_part


def header(**more: Value) -> Header:
    made = head(
        SMALL | {name.replace("__", "."): value for name, value in more.items()},
        [Weight("token_embd.weight", (64, 4))],
    )
    return read_header(io.BytesIO(made.data), made.n_bytes, "x.gguf")


@pytest.mark.parametrize("what", OTHER_KINDS)
def test_what_converters_write_is_known_for_what_it_is(what: str) -> None:
    model = OTHER_KINDS[what]()
    part = made_part(model.header, f"{model.name}.gguf")
    file = model_file_of(
        [part.header],
        name=part.file_name,
        key="k",
        file_name=part.file_name,
        n_bytes=part.n_bytes,
        quantization=None,
        sha256=None,
    )
    assert file.kind == header_kind(part.header) == model.kind
    assert file.token_read_bytes is None  # for no token is decoded


def test_a_header_that_says_nothing_is_of_a_language_model() -> None:
    assert header_kind(header()) == "generates"
    assert reading_keys(header()) == (None, None)


def test_the_keys_are_those_of_its_own_architecture() -> None:
    assert header_kind(header(bert__attention__causal=False)) == "generates"
    assert reading_keys(header(llama__attention__causal=False, llama__pooling_type=3)) == (False, 3)


@pytest.mark.parametrize("value", ["mean", 1.5, [1, 2], 1 << 31])
def test_a_pooling_that_is_none_says_nothing(value: Value) -> None:
    assert header_kind(header(llama__pooling_type=value)) == "generates"

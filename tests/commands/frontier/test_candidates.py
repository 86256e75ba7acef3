"""Which files are set side by side, and what each is called on the page."""

from __future__ import annotations

from typing import Any

import pytest
from make.records import make_model

from harness.commands.frontier.candidates import candidate_names
from harness.schema.model import ModelFile

SMALL: dict[str, Any] = {"n_params": 10**8, "n_layer": 12, "architecture": "llama"}


def file_of(key: str, quantization: str = "Q4_K_M", **changes: Any) -> ModelFile:
    return make_model(key=key, quantization=quantization, **changes)


@pytest.mark.parametrize(
    ("files", "names"),
    [
        # One model: its types tell its files apart.
        (["m:Q4_K_M", "m:Q8_0"], ["Q4_K_M", "Q8_0"]),
        (["a-Q4_K_M.gguf", "a-Q8_0.gguf"], ["Q4_K_M", "Q8_0"]),
        (["m:Q4_K_M", "a-Q8_0.gguf"], ["Q4_K_M", "Q8_0"]),
        (["owner/repo:Q4_K_M", "owner/repo:Q8_0"], ["Q4_K_M", "Q8_0"]),
        # Another one, of the same shape: only its name tells.
        (["m:Q4_K_M", "m-instruct:Q8_0"], ["m:Q4_K_M", "m-instruct:Q8_0"]),
        (["m:Q4_K_M", "m-instruct:Q4_K_M"], ["m:Q4_K_M", "m-instruct:Q4_K_M"]),
        (["m:Q8_0", "owner/repo:Q4_K_M"], ["m:Q8_0", "owner/repo:Q4_K_M"]),
    ],
)
def test_a_row_names_the_model_where_there_are_several(files: list[str], names: list[str]) -> None:
    made = [file_of(key, "Q8_0" if "Q8_0" in key else "Q4_K_M") for key in files]
    assert candidate_names(made, [False] * len(made)) == names


def test_files_of_other_shapes_are_other_models_whatever_they_are_called() -> None:
    files = [file_of("a.gguf", "Q8_0"), file_of("b.gguf", "Q4_K_M", **SMALL)]
    assert candidate_names(files, [False, True]) == ["a.gguf", "b.gguf+"]


def test_of_one_type_made_from_two_sources_the_names_differ() -> None:
    files = [file_of("m:Q4_K_M"), file_of("m-q4.gguf")]
    assert candidate_names(files, [False, True]) == ["Q4_K_M", "Q4_K_M+"]
    assert candidate_names(files, [True, True]) == ["m:Q4_K_M+", "m-q4.gguf+"]

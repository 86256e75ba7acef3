from __future__ import annotations

import pytest

from harness.endpoint.address import Address
from harness.endpoint.offers import (
    Identified,
    OfferedModel,
    choose,
    quantization_of,
    rounded_count,
)
from harness.errors import HarnessError


def serving(*names: str, loaded: str | None = None) -> Identified:
    models = tuple(OfferedModel(name, is_loaded=name == loaded) for name in names)
    return Identified(Address("http", "127.0.0.1", 1), "ollama", None, "ollama", models)


def refused(identified: Identified, wanted: str | None) -> str:
    with pytest.raises(HarnessError) as error:
        choose(identified, wanted)
    return str(error.value)


@pytest.mark.parametrize("wanted", ["llama3:latest", "llama3", "LLAMA3", "library/llama3"])
def test_a_model_is_found_by_what_people_call_it(wanted: str) -> None:
    assert choose(serving("qwen3:8b", "llama3:latest"), wanted).name == "llama3:latest"


def test_a_path_is_found_by_its_file() -> None:
    served = serving("/models/smollm2-Q4_1.gguf", "C:\\models\\other.gguf")

    assert choose(served, "smollm2-Q4_1").name == "/models/smollm2-Q4_1.gguf"
    assert choose(served, "other.gguf").name == "C:\\models\\other.gguf"


def test_a_short_name_of_two_is_neither() -> None:
    assert "does not serve 'm'" in refused(serving("a/m", "b/m"), "m")


def test_a_wrong_name_has_the_nearest_beside_it() -> None:
    message = refused(serving("qwen3:8b", "llama3:latest", "gemma3:4b"), "lama3")

    assert "the nearest that it does is 'llama3:latest'" in message
    assert "qwen3" not in message


def test_a_name_like_none_has_all_beside_it() -> None:
    message = refused(serving("qwen3:8b", "llama3"), "zzz")

    assert message.endswith("it serves qwen3:8b, llama3")


def test_the_only_one_is_meant() -> None:
    assert choose(serving("a"), None).name == "a"


def test_the_only_one_in_memory_is_meant() -> None:
    assert choose(serving("a", "b", loaded="b"), None).name == "b"


def test_of_several_one_has_to_be_named() -> None:
    message = refused(serving(*"abcdefgh"), None)

    assert "--model" in message
    assert "a, b, c, d, e, f and 2 more" in message


def test_names_of_a_server_are_harmless_in_messages() -> None:
    assert refused(serving("a\x1b[31m", "b\nError: c"), None).isprintable()


def test_nothing_served_is_said() -> None:
    assert "serves no model now" in refused(serving(), "a")


@pytest.mark.parametrize(
    ("ftype", "quantization"),
    [
        ("Q4_K - Medium", "Q4_K_M"),
        ("Q3_K - Small", "Q3_K_S"),
        ("Q8_0", "Q8_0"),
        ("all F32", "F32"),
        ("(guessed) Q4_1", "Q4_1"),
        ("IQ2_XXS - 2.0625 bpw", "IQ2_XXS"),
        ("mostly BF16", "BF16"),
        ("", None),
        (None, None),
        ("?", None),
    ],
)
def test_a_quantization_is_written_as_files_are_called(
    ftype: str | None, quantization: str | None
) -> None:
    assert quantization_of(ftype) == quantization


@pytest.mark.parametrize(
    ("text", "n"),
    [("8.03B", 8_030_000_000), ("270M", 270_000_000), ("many", None), ("", None), (None, None)],
)
def test_a_rounded_count_is_read(text: str | None, n: int | None) -> None:
    assert rounded_count(text) == n

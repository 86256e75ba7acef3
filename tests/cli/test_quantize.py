"""`harness quantize` as its user meets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.commandline import Done, Home


@dataclass(frozen=True)
class Quantized:
    home: Home
    first: Done
    again: Done


@pytest.fixture(scope="module")
def quantized(new_home: Callable[[], Home]) -> Quantized:
    """A quantization set made twice: the second time with another's file in the way."""
    home = new_home()
    arguments = ("quantize", "tiny-random", "--dir", "made")
    first = home.harness(*arguments, "--to", "q8_0,q4_k_m")
    (home.folder / "made" / "tiny-random-Q4_0-from-Q8_0.gguf").write_bytes(b"GGUF, or not")
    again = home.harness(*arguments, "--to", "Q4_K_M,Q4_0", "--json")
    return Quantized(home, first, again)


def test_the_set_is_a_table_then_what_to_know_then_the_files(quantized: Quantized) -> None:
    done = quantized.first
    assert done.exit_code == 0, done.stderr
    assert done.stdout == (
        "tiny-random:Q8_0 · Q8_0 · 1.02 MB · 8.53 bits per weight\n"
        "\n"
        "type       size  bits/weight\n"
        "------  -------  -----------  -----------------\n"
        "Q8_0    1.02 MB         8.53  the source itself\n"
        "Q4_K_M   707 kB         5.86  written\n"
        "\n"
        "Q4_K_M: 25 of 39 tensors got another type than the mix wants, since their rows\n"
        "are no multiple of its block.\n"
        "\n"
        "made/tiny-random-Q4_K_M-from-Q8_0.gguf\n"
    )


def test_a_source_that_is_quantized_is_warned_of(quantized: Quantized) -> None:
    told = quantized.first.stderr
    assert "Warning: tiny-random:Q8_0 is itself quantized: the errors of both" in told
    assert "tiny-random-Q4_K_M-from-Q8_0.gguf: quantizing" in told
    assert "To be made: 1 file of 707 kB together.\n" in told
    assert "`harness frontier tiny-random --measure --dir made`" in " ".join(told.split())


def test_what_is_there_is_kept_and_what_is_anothers_is_a_row(quantized: Quantized) -> None:
    done = quantized.again
    assert done.exit_code == 1
    kept, other = done.document["files"]
    path = quantized.home.folder / "made" / "tiny-random-Q4_K_M-from-Q8_0.gguf"
    assert kept["state"] == "kept"
    assert kept["n_bytes"] == kept["n_bytes_planned"] == path.stat().st_size
    assert kept["requantized_from"] == "Q8_0"
    assert other["state"] == "failed"
    assert "--force replaces it" in other["message"]
    assert (path.parent / "tiny-random-Q4_0-from-Q8_0.gguf").read_bytes() == b"GGUF, or not"


@pytest.mark.slow
def test_force_replaces_and_list_writes_nothing(quantized: Quantized) -> None:
    home = quantized.home
    arguments = ("quantize", "tiny-random", "--dir", "other", "--to", "Q2_K", "--list", "--json")
    done = home.harness(*arguments)
    assert done.exit_code == 0, done.stderr
    assert done.document["files"][0]["state"] == "planned"
    assert not (home.folder / "other").exists()
    forced = home.harness(
        "quantize", "tiny-random", "--dir", "made", "--to", "Q4_0", "--force", "-q"
    )
    assert forced.exit_code == 0, forced.stderr
    path = home.folder / "made" / "tiny-random-Q4_0-from-Q8_0.gguf"
    assert path.stat().st_size > 500_000


@pytest.mark.parametrize(
    ("file_type", "says"),
    [
        ("IQ2_XS", "IQ2_XS needs an importance matrix"),
        ("Q9_K", "'Q9_K' is no type to quantize to; known: F32, F16, "),
    ],
)
def test_types_that_cannot_be_made_are_refused_with_the_reason(
    home: Home, file_type: str, says: str
) -> None:
    done = home.harness("quantize", "tiny-random", "--to", f"Q8_0,{file_type}")
    assert done.exit_code == 2
    assert says in done.error()


@pytest.mark.slow
def test_a_folder_that_cannot_be_made_is_one_clear_line(home: Home) -> None:
    (home.folder / "file").write_text("in the way")
    done = home.harness("quantize", "tiny-random", "--to", "Q4_0", "--dir", Path("file", "x"), "-q")
    assert done.exit_code == 2
    assert "is no folder" in done.stderr

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.models.catalog.catalog import load_catalog, parse_catalog
from harness.models.catalog.yaml_bounds import MOST_BYTES, MOST_DEPTH, refuse_endless


def nested_aliases(n_levels: int) -> str:
    """A list of ten texts, and of each level ten of the one before."""
    levels = (
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]"
        for level in range(1, n_levels)
    )
    return "\n".join([f"a0: &a0 [{', '.join('x' * 10)}]", *levels])


HOSTILE = {
    "brackets": ("[" * 100_000, f"m.yaml:1: it is nested more than {MOST_DEPTH} deep"),
    "braces": ("{a: " * 100_000, f"m.yaml:1: it is nested more than {MOST_DEPTH} deep"),
    "dashes": ("- " * 100_000, f"m.yaml:1: it is nested more than {MOST_DEPTH} deep"),
    "questions": ("? " * 100_000, f"m.yaml:1: it is nested more than {MOST_DEPTH} deep"),
    "aliases": (nested_aliases(11), "m.yaml:5: with its aliases it comes to more than 50,000"),
    "merges": (nested_aliases(11).replace("[*", "{<<: [*").replace("*]", "*]}"), "m.yaml:"),
    "itself": ("&a [1, {b: *a}]", "m.yaml:1: an alias stands for what it is part of"),
    "values": ("[" + "1, " * 50_001 + "]", "m.yaml:1: with its aliases it comes to more than"),
    "base 60": ("a: 1" + ":59" * 100_000, "m.yaml:1: a number of 300,001 characters"),
    "base 60 rate": ("a: 1" + ":59" * 100_000 + ".5", "m.yaml:1: a number of 300,003 characters"),
    "digits": ("a: " + "9" * 5_000, "m.yaml:1: a number of 5,000 characters"),
}


@pytest.mark.parametrize(("text", "complaint"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_text_that_costs_without_end_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(HarnessError) as caught:
        parse_catalog(text, "m.yaml")
    assert str(caught.value).startswith(complaint)
    assert len(str(caught.value).splitlines()) == 1


def test_an_alias_that_costs_little_is_allowed() -> None:
    refuse_endless("a: &a [1, 2]\nb: [*a, *a]\nc: &a {d: 1}\ne: *a", yaml.SafeLoader)


nodes = st.recursive(
    st.sampled_from([1, "x", None]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=20,
)


@given(nodes)
def test_whatever_is_within_bounds_passes(value: object) -> None:
    refuse_endless(yaml.safe_dump(value), yaml.SafeLoader)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 40)


PLANTED: dict[str, tuple[Callable[[Path], object], str]] = {
    "/dev/zero": (endless, "it is not an ordinary file"),
    "a pipe": (lambda path: os.mkfifo(path), "it is not an ordinary file"),
    "a large file": (lambda path: path.write_bytes(b" " * (MOST_BYTES + 1)), "larger than 1.00 MB"),
    "a sparse file": (sparse, "larger than 1.00 MB"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
@pytest.mark.parametrize(("plant", "complaint"), PLANTED.values(), ids=PLANTED.keys())
def test_what_is_no_catalogue_in_its_place_is_not_waited_for(
    plant: Callable[[Path], object],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HARNESS_CONFIG", str(tmp_path))
    plant(tmp_path / "models.yaml")
    with pytest.raises(HarnessError, match=rf"models\.yaml cannot be read \(.*{complaint}.*\); "):
        load_catalog()

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_end, make_experiment, make_runs

import harness
from harness.commandline import stream
from harness.records.store import write_whole
from harness.report.formats import FORMATS

_SOURCES = Path(harness.__file__).parent
_CODE_PAGES = ("cp932", "cp949", "latin-1", "cp437", "ascii", "utf-8")
# A table of each takes a process of its own.
_QUICK = ("cp932", "ascii")


@given(st.text() | st.lists(st.sampled_from(["::error::x", "##[x", "\x1b[2J", "\n", "\t", " "])))
def test_what_is_written_is_printed_and_no_command(text: str | list[str]) -> None:
    whole = text if isinstance(text, str) else "".join(text)

    @click.command()
    def command() -> None:
        stream.write(whole)

    said = CliRunner().invoke(command).stdout
    assert all(char.isprintable() or char in "\n\t" for char in said)
    assert not any(line.strip().startswith("::") or "##[" in line for line in said.split("\n"))


def test_an_error_is_one_line_whatever_is_in_it() -> None:
    @click.command()
    def command() -> None:
        stream.write_error("a\nb\r\n::error::c\x1b[2J")

    assert CliRunner().invoke(command).stderr == "Error: a b ::error::c?[2J\n"


def test_each_character_of_our_own_can_be_spelt_in_ascii() -> None:
    missing = {
        char
        for path in _SOURCES.rglob("*.py")
        if not (source := path.read_text("utf-8")).isascii()
        for text in _texts(ast.parse(source))
        for char in text
        if not char.isascii() and not _is_spelt(char)
    }
    assert not missing


@pytest.mark.parametrize(
    "code_page",
    [it if it in _QUICK else pytest.param(it, marks=pytest.mark.slow) for it in _CODE_PAGES],
)
def test_a_code_page_loses_no_table(tmp_path: Path, code_page: str) -> None:
    model = {"file_name": "模型-±-\udcff.gguf"}
    experiment, runs = make_experiment(), make_runs()
    poor = experiment.model_dump(mode="json")
    poor["plan"]["models"][0] |= model
    write_whole(tmp_path, type(experiment).model_validate(poor), runs, make_end())
    done = subprocess.run(
        [sys.executable, "-c", _SHOW_ALL, *FORMATS, "json"],
        env=os.environ
        | {"HARNESS_RESULTS": str(tmp_path), "PYTHONIOENCODING": f"{code_page}:strict"},
        capture_output=True,
        check=True,
    )
    # Where a terminal claims to know ASCII alone, click writes UTF-8 all the same.
    text = done.stdout.decode("utf-8" if code_page == "ascii" else code_page)
    assert text.count("smollm2-135m") >= len(FORMATS) + 1


_SHOW_ALL = """
import sys
from harness import cli
from harness.commandline import stream
stream.prepare()
for name in sys.argv[1:]:
    cli.group.main(["show", "latest", "--format", name], standalone_mode=False)
"""


def _texts(tree: ast.Module) -> list[str]:
    """The strings of a module that may be printed: all but what documents it."""
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in documents
    ]


def _is_spelt(char: str) -> bool:
    spelt, _ = stream._spell(UnicodeEncodeError("ascii", char, 0, 1, ""))
    return spelt != "?" and spelt.isascii()


class _Terminal:
    """A stream of a terminal."""

    def __init__(self, is_terminal: bool = True) -> None:
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def fileno(self) -> int:
        return 99


@pytest.mark.parametrize(
    ("columns", "said", "width"),
    [(120, "", 120), (120, "70", 70), (30, "", 60), (500, "", 200), (0, "", 80), (90, "x", 90)],
)
def test_a_line_is_as_wide_as_the_terminal_or_as_columns_says(
    monkeypatch: pytest.MonkeyPatch, columns: int, said: str, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", said)
    monkeypatch.setattr(sys, "stdout", _Terminal())
    monkeypatch.setattr(sys, "stderr", _Terminal(is_terminal=False))
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((columns, 24)))
    assert stream.width() == width
    assert stream.width(err=True) == 80


def test_a_file_is_the_same_whatever_window_it_was_made_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(sys, "stdout", _Terminal(is_terminal=False))
    assert stream.width() == 80


def test_a_terminal_without_a_size_is_an_ordinary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(sys, "stdout", _Terminal())
    assert stream.width() == 80  # there is no file 99
    monkeypatch.setattr(sys, "stdout", None)
    assert stream.width() == 80

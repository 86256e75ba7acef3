from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from harness.commandline.output import Output, explain_option, html_options, output_options
from harness.errors import ResultsUnwritable, UsageError
from harness.report import charts
from harness.report.formats import FORMATS
from harness.report.json import SCHEMA
from harness.report.page import Column, Note, Table, explanation, notes
from harness.report.picture import Axis, Mark, Picture


@dataclass
class Document:
    name: str


PAGE = (Table((Column("name", "name"), Column("n", "n")), (("a", 1),)),)


@click.command()
@click.argument("name")
@output_options
def command(name: str, output: Output) -> None:
    output.tell("halfway")
    code = output.show(
        PAGE, Document(name), 3, aside=(Note(("Trust it.",)),), hint=(Note(("Go on.",)),)
    )
    click.get_current_context().exit(code)


@click.command()
@output_options
@explain_option
def explained(output: Output) -> None:
    page = (*notes("It is usable."), *PAGE, *explanation(["n: how many."]))
    output.show(page, Document("x"))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, ["x", *arguments])


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_writes_the_page_on_stdout_and_what_to_know_on_stderr(name: str) -> None:
    result = run("--format", name)
    assert (result.exit_code, result.stderr) == (3, "halfway\n\nTrust it.\n\nGo on.\n")
    assert result.stdout == FORMATS[name](PAGE) + "\n"


@pytest.mark.parametrize("option", [("--json",), ("--format", "json"), ("--json", "-q")])
def test_json_is_one_document_alone_on_stdout(option: tuple[str, ...]) -> None:
    result = run(*option)
    assert json.loads(result.stdout) == {"schema": SCHEMA, "name": "x"}
    assert "Go on." not in result.stderr


def test_quiet_leaves_the_answer_alone() -> None:
    result = run("-q")
    assert (result.exit_code, result.stderr) == (3, "")
    assert result.stdout.startswith("name")


PICTURE = Picture("P", "p", "stack", (Mark(1.0, "row", "one", "part"),), Axis("GiB"), Axis(""))


@click.command()
@output_options
@html_options
def paged(output: Output) -> None:
    output.tell("halfway")
    output.show(
        PAGE,
        Document("x"),
        aside=(Note(("Trust it.",)),),
        hint=(Note(("Go on.",)),),
        title="A < B",
        pictures=(PICTURE,),
    )


def write_page(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(paged, ["--html", str(path), *arguments])


def test_the_page_holds_the_answer_and_what_to_know_and_its_place_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    result = write_page(path, "--format", "csv")
    assert (result.exit_code, result.stdout) == (0, FORMATS["csv"](PAGE) + "\n")
    assert result.stderr == f"halfway\n\nTrust it.\n\nGo on.\nPage: {path}\n"
    text = path.read_text("utf-8")
    for told in ("<h1>A &lt; B</h1>", "Trust it.", "Go on.", '<th scope="row">a</th>'):
        assert told in text


def test_a_page_with_more_room_needs_no_hint(tmp_path: Path) -> None:
    output = Output(html=tmp_path / "a.html")
    output.show(PAGE, Document("x"), hint=(Note(("Go on.",)),), html_page=(Note(("All.",)),))
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "All." in text
    assert "Go on." not in text


def test_the_page_names_the_command_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/harness", "run", "a b<script>"])
    write_page(tmp_path / "a.html")
    assert "harness run &#x27;a b&lt;script&gt;&#x27;" in (tmp_path / "a.html").read_text("utf-8")


def test_beside_the_document_of_a_quiet_command_the_page_is_written_in_silence(
    tmp_path: Path,
) -> None:
    result = write_page(tmp_path / "a.html", "--json", "-q")
    assert (json.loads(result.stdout)["name"], result.stderr) == ("x", "")
    assert (tmp_path / "a.html").exists()


def test_a_page_that_is_there_is_replaced_by_force_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.html"
    path.write_text("old")
    refused = write_page(path)
    assert isinstance(refused.exception, UsageError)
    assert "a.html exists; --force overwrites it" in str(refused.exception)
    assert (refused.output, path.read_text()) == ("", "old")
    assert write_page(path, "--force").exit_code == 0
    assert path.read_text("utf-8").startswith("<!DOCTYPE html>")
    assert [each.name for each in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize(
    ("place", "why"),
    [("missing/a.html", "there is no folder"), (os.devnull, "no file that could be replaced")],
)
def test_no_page_can_lie_there(tmp_path: Path, place: str, why: str) -> None:
    refused = write_page(tmp_path / place, "--force")
    assert isinstance(refused.exception, UsageError)
    assert why in str(refused.exception)
    assert refused.output == ""


def test_a_folder_that_refuses_is_told_before_anything_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)  # root may write whatever the mode of the folder
    refused = write_page(tmp_path / "a.html")
    assert isinstance(refused.exception, ResultsUnwritable)
    assert "cannot be written (Read-only file system); choose another" in str(refused.exception)
    assert refused.output == ""


def test_force_without_a_page_is_refused() -> None:
    refused = CliRunner().invoke(paged, ["--force"])
    assert isinstance(refused.exception, UsageError)
    assert "--force is for --html FILE" in str(refused.exception)


def test_pictures_stand_above_the_table_and_without_what_draws_the_page_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "svg", lambda picture: f"<svg>{picture.title}</svg>")
    monkeypatch.setattr(charts, "can_draw", lambda: True)
    write_page(tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "<svg>P</svg>" in text.split("<table>")[0]
    assert "are missing" not in text
    monkeypatch.setattr(charts, "svg", lambda _: None)
    monkeypatch.setattr(charts, "can_draw", lambda: False)
    write_page(tmp_path / "b.html")
    text = (tmp_path / "b.html").read_text("utf-8")
    assert charts.MISSING.split(":")[0] in text
    assert "<svg" not in text


@pytest.mark.parametrize("name", ["plain", "github"])
def test_what_figures_are_is_said_to_whoever_asks_and_the_others_are_told_how(name: str) -> None:
    short = CliRunner().invoke(explained, ["--format", name])
    assert short.stdout.startswith("It is usable.")
    assert "how many" not in short.stdout
    assert short.stderr == "\nWhat the figures are: --explain\n"
    whole = CliRunner().invoke(explained, ["--format", name, "--explain"])
    assert whole.stdout == f"{short.stdout.rstrip()}\n\nn: how many.\n"
    assert whole.stderr == ""


def test_numbers_for_programs_are_explained_in_the_documentation() -> None:
    assert CliRunner().invoke(explained, ["--format", "csv"]).stderr == ""
    for arguments in (("--format", "csv"), ("--json",)):
        refused = CliRunner().invoke(explained, [*arguments, "--explain"])
        assert isinstance(refused.exception, UsageError)


def test_a_page_is_as_wide_as_its_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.commandline.stream.width", lambda *, err=False: 60)
    long = Note(("word " * 30,))

    @click.command()
    @output_options
    def command(output: Output) -> None:
        output.show((long,), Document("x"), aside=(long,))

    said = CliRunner().invoke(command)
    assert max(map(len, said.stdout.splitlines())) == 59
    assert max(map(len, said.stderr.splitlines())) == 59
    markdown = CliRunner().invoke(command, ["--format", "github"])
    assert len(markdown.stdout.splitlines()) == 1

from __future__ import annotations

import json
from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner, Result

from harness.commandline.output import Output, output_options
from harness.report.formats import FORMATS
from harness.report.json import SCHEMA
from harness.report.page import Column, Note, Table


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

"""What holds of every command and every option there is, today's and those to come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from cli.commandline import Done
from harness import cli
from harness.commandline import options
from harness.commandline.places import FILE_OR_STDIN, Place
from harness.report.json import SCHEMA


def commands(
    group: click.Group = cli.group, name: str = "harness"
) -> Iterator[tuple[str, click.Command]]:
    """All of them, each under its whole name, those with commands of their own too."""
    context = click.Context(group)
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        yield f"{name} {verb}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {verb}")


COMMANDS = tuple(commands())
OPTIONS = tuple(
    pytest.param(command, each, id=f"{name} {each.opts[-1]}")
    for name, command in COMMANDS
    for each in command.params
    if isinstance(each, click.Option)
)
PLACES = tuple(
    pytest.param(each.type, id=f"{name} {each.opts[-1]}")
    for name, command in COMMANDS
    for each in command.params
    if isinstance(each.type, Place)
)


def harness(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> Done:
    """`harness ARGUMENTS` in this process."""
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with pytest.raises(SystemExit) as exited:
        cli.main()
    return Done(int(exited.value.code or 0), *capsys.readouterr())


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_every_option_is_explained(command: click.Command, option: click.Option) -> None:
    assert option.help
    assert option.help.strip().endswith((".", "…"))


@pytest.mark.parametrize("name", [name for name, _ in COMMANDS])
def test_every_command_answers_as_json(name: str) -> None:
    command = dict(COMMANDS)[name]
    assert any("--json" in each.opts for each in command.params)


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_no_option_takes_just_anything(command: click.Command, option: click.Option) -> None:
    assert not isinstance(option.type, click.Path), "use commandline/places.py"
    is_free = isinstance(option.type, click.types.StringParamType | Place)
    if option.is_flag or is_free:
        return
    # Which devices there are the engine tells, and which models the catalogue and the disk.
    is_name = option.name in ("devices", "draft")
    for nonsense in ("",) if is_name else ("no such thing", "-1x", ""):
        with pytest.raises(click.BadParameter):
            option.type.convert(nonsense, option, click.Context(command))


@pytest.mark.parametrize(("command", "option"), OPTIONS)
def test_a_size_and_a_time_have_a_unit(command: click.Command, option: click.Option) -> None:
    if option.type in (options.SIZE, options.DURATION):
        with pytest.raises(click.BadParameter, match="no unit"):
            option.type.convert("5", option, click.Context(command))


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_cannot_be_is_refused(tmp_path: Path, place: Place) -> None:
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("something", "utf-8")
    folder.mkdir()
    wrong: list[Path | str] = [file if place.name == "folder" else folder]
    # Windows calls what is below a file not there.
    wrong += ["", folder / ("x" * 300), *([] if sys.platform == "win32" else [file / "below"])]
    for each in wrong:
        with pytest.raises(click.BadParameter):
            place.convert(str(each), None, None)
    right = folder if place.name == "folder" else file
    assert place.convert(str(right), None, None) == right


def test_a_dash_is_stdin_only_where_that_is_read() -> None:
    assert FILE_OR_STDIN.convert("-", None, None) == Path("-")


WITHOUT_EFFECT = [
    "machine --force",
    "show latest --all",
    "show --explain",
    "show latest --explain --json",
    "fit --audit --explain",
    "export --force",
    "run tiny-random --runs 5 --precision 1%",
    "frontier tiny-random -t 2",
    "frontier tiny-random -w tg8",
    "frontier tiny-random --chunks 3",
    "fit --audit -c 4096",
    "fit --audit --offline",
    "fit --audit tiny-random",
    "pull tiny-random --list --jobs 3",
    "pull tiny-random --verify --jobs 3",
    "quantize tiny-random --list -t 2",
    "quantize tiny-random --list --wait 1m",
    "compare --stored a b --runs 3",
    "compare a b --across settings",
    "quality tiny-random --spill",
    "models --local --fits",
    "models tiny-random --country CN",
    "models --country Germany",
    "models --lab Nowhere",
    "models --max-size 5",
    "models nosuch/model.gguf --fits",
    "gate --baseline main --metric need --max-slowdown 3%",
    "gate --baseline main --metric tok_per_s --max-memory 3%",
    "models --json --format csv",
    "run tiny-random --budget 5",
]


@pytest.mark.parametrize("line", WITHOUT_EFFECT)
def test_what_would_have_no_effect_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    line: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = harness(monkeypatch, capsys, *line.split())

    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert [*tmp_path.iterdir()] == []


LEAVES = tuple(name for name, command in COMMANDS if not isinstance(command, click.Group))


@pytest.mark.parametrize("name", LEAVES)
def test_a_failure_is_one_document_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    done = harness(monkeypatch, capsys, *name.split()[1:], "--no-such-option", "--json")

    line = done.stderr.removeprefix("Error: ").rstrip("\n")
    assert "--no-such-option" in line
    assert done.document == {"schema": SCHEMA, "error": line, "exit_code": done.exit_code}
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("line", "exit_code"),
    [
        ("run nosuch-model --json", 1),
        ("show latest --format json", 1),
        ("gate --baseline mian --format=json", 1),
        ("compare --stored a b --json", 1),
        ("run tiny-random -c 4 --json", 2),
        ("cache rm nosuch --json", 1),
        ("rum --json", 2),
    ],
)
def test_a_failure_of_any_kind_is_that_document(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    line: str,
    exit_code: int,
) -> None:
    monkeypatch.setenv("HARNESS_RESULTS", str(tmp_path))
    done = harness(monkeypatch, capsys, *line.split())

    assert done.exit_code == done.document["exit_code"] == exit_code
    assert done.stderr == f"Error: {done.document['error']}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("rum", "run"), ("modles", "models"), ("rehears", "rehearse"), ("exprot", "export"),
        ("baseline lisst", "list"), ("run --rnus", "--runs"), ("gate --basline", "--baseline"),
    ],
)  # fmt: skip
def test_what_is_mistyped_is_answered_with_what_is_near(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], typed: str, meant: str
) -> None:
    done = harness(monkeypatch, capsys, *typed.split())

    assert done.exit_code == 2
    _, near = done.error().split("Did you mean ")
    assert f"'{meant}'" in near

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml

from harness import cli
from harness.errors import ExitCode

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
CONTEXT = click.Context(cli.group)


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in cli.group.list_commands(CONTEXT):
        command = cli.group.get_command(CONTEXT, name)
        assert command is not None
        yield name, command


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name[:2] == "--"}


def code_of(text: str) -> str:
    """What stands in code blocks and between backticks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


@pytest.mark.parametrize("name", cli.group.list_commands(CONTEXT))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    command = cli.group.get_command(CONTEXT, name)

    assert command is not None
    assert (command.help or "").strip()
    assert f"harness {name}" in README


def test_every_command_can_answer_as_json() -> None:
    assert [name for name, command in commands() if "--json" not in options_of(command)] == []


def test_the_readme_shows_no_command_that_does_not_exist() -> None:
    named = set(re.findall(r"(?:^|`|/)harness ([a-z]+)", README, re.MULTILINE))

    assert named
    assert named <= set(cli.group.list_commands(CONTEXT))


def test_every_option_in_the_readme_exists() -> None:
    known = set().union(*(options_of(command) for _, command in commands())) | {"--help"}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code_of(README)))

    assert named - known == set()


def test_the_readme_has_every_exit_code_a_command_can_answer() -> None:
    section = README.split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", section, re.MULTILINE)}

    assert listed == set(map(int, ExitCode))


def test_every_command_of_the_example_for_ci_is_understood() -> None:
    workflow = yaml.safe_load((ROOT / "examples" / "github-actions.yml").read_text("utf-8"))
    steps = [step["run"] for step in workflow["jobs"]["smoke"]["steps"] if "run" in step]
    calls = [run.split()[1:] for run in steps if run.startswith(".venv/bin/harness ")]
    assert {name for name, *_ in calls} == {"run", "gate", "baseline"}
    for name, *arguments in calls:
        command = cli.group.get_command(CONTEXT, name)
        assert command is not None
        if isinstance(command, click.Group):
            name, *arguments = arguments
            command = command.commands[name]
        command.make_context(name, arguments)  # raises what the command line would answer
    targets = {run.split()[1] for run in steps if run.startswith("make ")}
    assert targets == {"setup"}
    assert "\nsetup:" in MAKEFILE


def test_the_sections_of_the_readme_come_in_the_order_a_reader_asks() -> None:
    assert re.findall(r"^## (.+)$", README, re.MULTILINE) == [
        "What it measures, and what not",
        "Install",
        "Use",
        "Exit codes",
        "Files on disk",
        "How far to trust the figures",
        "Contributing",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_is_one_short_page_in_four_parts(page: Path) -> None:
    text = page.read_text("utf-8")

    assert len(text.splitlines()) <= 40
    assert text.startswith(f"# {int(page.name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == [
        "Context",
        "Choice",
        "Rejected",
        "Consequence",
    ]


def test_the_changelog_has_unreleased_on_top() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")

    assert re.findall(r"^## (.+)$", changelog, re.MULTILINE)[0] == "[Unreleased]"


def test_make_alone_lists_every_goal_a_person_would_type() -> None:
    phony = re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    assert phony is not None
    typed = set(phony[1].split()) - {"setup-dev"}  # a step of others, not a goal

    done = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)

    listed = dict(re.findall(r"^  make (\S+) +(.+)$", done.stdout, re.MULTILINE))
    assert set(listed) == typed
    assert all(listed.values())


def test_every_goal_that_the_pages_name_exists() -> None:
    goals = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    code = "\n".join(code_of(page.read_text("utf-8")) for page in PAGES)
    named = set(re.findall(r"(?:^|[;\"] )make ([a-z][a-z-]*)", code, re.MULTILINE))

    assert {"bench", "test", "check"} <= named
    assert named <= goals

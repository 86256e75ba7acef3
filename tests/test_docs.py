from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import pytest
import yaml
from click.testing import CliRunner

from harness import cli
from harness.commandline import surface
from harness.errors import ExitCode
from tools import command_table, reference_options, terminal_picture

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "results" / "examples"
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
# What a person follows who uses the program; the method also tells of scripts in benchmarks/.
MANUAL = [
    ROOT / "README.md",
    DOCS / "index.md",
    *(DOCS / "guide").glob("*.md"),
    *(DOCS / "reference").glob("*.md"),
]
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
HOOKS = ROOT / ".pre-commit-config.yaml"
CONTEXT = click.Context(cli.group)
# Options of docker and numactl, named where the machine is quieted.
FOREIGN_OPTIONS = {"--cpuset-cpus", "--cpunodebind", "--membind"}


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in cli.group.list_commands(CONTEXT):
        command = cli.group.get_command(CONTEXT, name)
        assert command is not None
        yield name, command


def all_commands() -> Iterator[click.Command]:
    """Commands and their subcommands."""
    for _, command in commands():
        yield command
        if isinstance(command, click.Group):
            yield from command.commands.values()


def options_of(command: click.Command) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name[:2] == "--"}


def text_of(pages: list[Path]) -> str:
    return "\n".join(page.read_text("utf-8") for page in pages)


def code_of(text: str) -> str:
    """What stands in code blocks and between backticks."""
    blocks = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


def yaml_of(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text("utf-8"))
    return document


def navigation(entries: Any) -> Iterator[str]:
    """The pages in a `nav` of mkdocs.yml, in their order."""
    if isinstance(entries, str):
        yield entries
    elif isinstance(entries, dict):
        for entry in entries.values():
            yield from navigation(entry)
    else:
        for entry in entries:
            yield from navigation(entry)


def goals() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def made_by(lines: list[str]) -> set[str]:
    """The goals of make in lines of a shell."""
    return {line.split()[1] for line in lines if line.startswith("make ")}


@pytest.mark.parametrize("name", cli.group.list_commands(CONTEXT))
def test_every_command_has_help_and_stands_in_the_readme(name: str) -> None:
    command = cli.group.get_command(CONTEXT, name)

    assert command is not None
    assert (command.help or "").strip()
    assert f"harness {name}" in README


@pytest.mark.parametrize("name", cli.group.list_commands(CONTEXT))
def test_the_readme_links_every_command_to_a_guide_that_shows_it(name: str) -> None:
    row = re.search(rf"^\| \[`harness {name}`\]\((docs/guide/\S+\.md)\) \|", README, re.MULTILINE)

    assert row is not None
    assert f"harness {name}" in code_of((ROOT / row[1]).read_text("utf-8"))


def test_the_readme_lists_the_commands_as_help_does() -> None:
    rows = re.findall(r"^\| (?:\[`harness (\w+)`\]\(.*|\*\*(.+)\*\* \| )\|$", README, re.MULTILINE)
    help = cli.group.get_help(click.Context(cli.group, info_name="harness"))
    listed = re.findall(r"^(?:  (\w+)  .*|(.+):)$", help, re.MULTILINE)

    assert rows == listed[listed.index(("", "Options")) + 1 :]


def test_the_readme_is_an_overview() -> None:
    assert len(README.split()) <= 1000


def test_every_command_can_answer_as_json() -> None:
    assert [name for name, command in commands() if "--json" not in options_of(command)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_shows_a_command_that_does_not_exist(page: Path) -> None:
    text = page.read_text("utf-8")
    named = set(re.findall(r"(?:^|/|\$ )harness ([a-z]+)", code_of(text), re.MULTILINE))

    assert named <= set(cli.group.list_commands(CONTEXT))


def test_the_manual_shows_every_command() -> None:
    named = set(re.findall(r"(?:^|`|/)harness ([a-z]+)", text_of(MANUAL), re.MULTILINE))

    assert named == set(cli.group.list_commands(CONTEXT))


def test_every_option_in_the_pages_exists() -> None:
    known = set().union(*(options_of(command) for command in all_commands())) | {"--help"}
    method = [*(DOCS / "method").glob("*.md")]
    named = {
        "manual": set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code_of(text_of(MANUAL)))),
        "method": set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", code_of(text_of(method)))),
    }

    assert named["manual"] - known == FOREIGN_OPTIONS
    assert named["method"] - known == set()


def test_the_page_of_exit_codes_has_every_one_a_command_can_answer() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text("utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}

    assert listed == set(map(int, ExitCode))
    assert "docs/reference/exit-codes.md" in README


def test_the_page_of_options_is_what_the_commands_help_says() -> None:
    # Otherwise: make reference
    assert reference_options.PAGE.read_text("utf-8") == reference_options.page()


def test_the_command_line_as_data_is_what_the_commands_say() -> None:
    # Otherwise: make reference
    assert surface.FILE.read_text("utf-8") == command_table.text()


def test_the_page_of_options_has_every_option_of_every_command() -> None:
    page = reference_options.PAGE.read_text("utf-8")
    sections = dict(re.findall(r"^## harness (.+?)\n(.*?)(?=^## |\Z)", page, re.M | re.S))

    assert [name for name in sections if " " not in name] == cli.group.list_commands(CONTEXT)
    for name, command in commands():
        assert options_of(command) <= set(re.findall(r"--[a-z][a-z-]+", sections[name]))


def test_the_picture_shows_what_its_page_quotes() -> None:
    # Otherwise: make reference
    lines: dict[float, str] = {}
    for text in ElementTree.parse(terminal_picture.PICTURE).iter(
        "{http://www.w3.org/2000/svg}text"
    ):
        if text.get("class", "").startswith("terminal-r"):
            row, piece = float(text.attrib["y"]), (text.text or "").replace("\xa0", " ")
            lines[row] = lines.get(row, "").ljust(round(float(text.attrib["x"]) / 12.2)) + piece
    quoted = terminal_picture.quoted(terminal_picture.PAGE, terminal_picture.NAME)

    expected = [f"$ {terminal_picture.COMMAND}", *quoted.splitlines()]
    shown = [lines[row].rstrip() for row in sorted(lines) if lines[row].strip()]
    assert shown == [line for line in expected if line]


def test_the_picture_asks_no_server_for_anything() -> None:
    svg = terminal_picture.PICTURE.read_text("utf-8")

    assert set(re.findall(r"https?://[^\"')\s]+", svg)) == {"http://www.w3.org/2000/svg"}


def test_the_readme_quotes_lines_of_the_whole_output() -> None:
    block = re.search(r"^```console\n\$ make bench\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert block is not None
    whole = terminal_picture.quoted(DOCS / "guide" / "run.md", "run").splitlines()

    assert [line for line in block[1].splitlines() if line not in whole] == []


def test_the_guide_to_comparing_quotes_what_its_command_prints() -> None:
    page = DOCS / "guide" / "compare.md"
    (typed,) = re.findall(r"^harness (compare --results .*?)^```", page.read_text(), re.M | re.S)
    words = shlex.split(typed.replace("\\\n", " ").replace("results/examples", str(EXAMPLES)))
    done = CliRunner().invoke(cli.group, words)

    assert done.exit_code == 0, done.exception
    assert terminal_picture.quoted(page, "compare") == done.stdout.rstrip("\n")


def test_every_command_of_the_example_for_ci_is_understood() -> None:
    workflow = yaml_of(ROOT / "examples" / "github-actions.yml")
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
    assert made_by(steps) == {"setup"}
    assert "\nsetup:" in MAKEFILE


def test_ci_checks_and_tests_on_every_system_and_every_python_that_is_promised() -> None:
    (job,) = yaml_of(WORKFLOW)["jobs"].values()
    matrix = job["strategy"]["matrix"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    promised = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text("utf-8"))

    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
    assert {*matrix["python"], *(more["python"] for more in matrix["include"])} == set(promised)
    assert {"check", "test"} <= made_by(steps) <= goals()
    assert all(step.startswith("make ") for step in steps)


def test_ci_may_only_read() -> None:
    workflow = yaml_of(WORKFLOW)

    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())
    assert "secrets." not in WORKFLOW.read_text("utf-8")


def test_ci_keeps_what_takes_long_to_make() -> None:
    (job,) = yaml_of(WORKFLOW)["jobs"].values()
    kept = [step["with"] for step in job["steps"] if "actions/cache@" in step.get("uses", "")]
    paths = [path for entry in kept for path in entry["path"].split()]

    assert ".venv" in paths
    assert "~/.cache/inference-harness/engine-*" in paths
    assert all("hashFiles('pyproject.toml'" in entry["key"] for entry in kept)


def test_the_hooks_before_a_commit_are_what_make_check_runs() -> None:
    hooks = [hook for repo in yaml_of(HOOKS)["repos"] for hook in repo["hooks"]]
    check = re.search(r"^check: ([a-z ]+) ##", MAKEFILE, re.MULTILINE)

    assert check is not None
    assert [shlex.split(hook["entry"]) for hook in hooks] == [
        ["make", goal] for goal in check[1].split()
    ]
    assert all(hook["language"] == "system" for hook in hooks)
    assert all(hook["pass_filenames"] is False for hook in hooks)
    for hook in hooks:
        re.compile(hook["files"])


def test_the_site_is_built_strictly_and_inside_this_folder() -> None:
    site = yaml_of(ROOT / "mkdocs.yml")

    assert re.search(r"^site: .*\n\t\$\(BIN\)/zensical build --strict$", MAKEFILE, re.MULTILINE)
    assert site["site_dir"] == "build/site"
    assert site["theme"]["font"] is False
    assert "extra_css" not in site
    assert "extra_javascript" not in site


def test_every_page_stands_once_in_the_navigation() -> None:
    named = list(navigation(yaml_of(ROOT / "mkdocs.yml")["nav"]))

    assert sorted(named) == sorted(p.relative_to(DOCS).as_posix() for p in DOCS.rglob("*.md"))


def test_every_decision_stands_in_their_index() -> None:
    index = (DOCS / "decisions" / "index.md").read_text("utf-8")

    assert re.findall(r"\]\(([^)]+)\)", index) == [page.name for page in DECISIONS]
    for page in DECISIONS:
        assert page.read_text("utf-8").split("\n", 1)[0].split(". ", 1)[1] in index


def test_the_sections_of_the_readme_come_in_the_order_a_reader_asks() -> None:
    assert re.findall(r"^## (.+)$", README, re.MULTILINE) == [
        "Install",
        "Commands",
        "How far to trust the figures",
        "Contributing",
    ]


def test_the_sections_that_left_the_readme_are_one_link_away() -> None:
    linked = set(re.findall(r"\]\((docs/[^)#]+)", README))

    assert {
        "docs/guide/install.md",
        "docs/guide/run.md",  # what it measures, and what not
        "docs/guide/reducing-noise.md",
        "docs/method/index.md",
        "docs/decisions/index.md",
        "docs/reference/exit-codes.md",
        "docs/reference/files.md",
        "docs/reference/json.md",
    } <= linked


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_module_that_the_pages_name_exists() -> None:
    # docs/contributing/ tells where new modules would go; a name without a folder is an example.
    pages = [page for page in PAGES if page.parent.name != "contributing"]
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text_of(pages)))

    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


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
    named = set(re.findall(r"(?:^|[;\"$] )make ([a-z][a-z-]*)", code_of(text_of(PAGES)), re.M))

    assert {"bench", "test", "check"} <= named
    assert named <= goals()

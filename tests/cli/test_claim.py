from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cli.commandline import QUICK, Done, Home
from harness.models.catalog.catalog import load_catalog

MACHINES = [
    "here", "laptop-16", "laptop-32", "desktop-24", "macbook-64", "studio-96", "studio-192",
    "studio-512",
]  # fmt: skip


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home]) -> Home:
    """A user who has measured one model of the catalogue."""
    home = new_home()
    # One trial would do, if no other test took the CPU in it.
    done = home.harness("run", "tiny-random", *QUICK, "--trials", "5", "-q")
    assert done.exit_code == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def claim(measured: Home) -> Done:
    return measured.harness("claim", "--json")


def cells_of(document: dict[str, Any], model: str) -> dict[str, dict[str, Any]]:
    (row,) = [row for row in document["rows"] if row["model"] == model]
    return {cell["machine"]: cell for cell in row["cells"]}


@pytest.mark.slow
def test_every_model_is_judged_here_and_on_every_reference_machine(claim: Done) -> None:
    assert claim.exit_code == 0, claim.stderr
    document = claim.document
    assert [row["model"] for row in document["rows"]] == [it.name for it in load_catalog().models]
    assert list(cells_of(document, "gpt-oss-20b")) == MACHINES
    assert [machine["name"] for machine in document["reference_machines"]] == MACHINES[1:]


@pytest.mark.slow
def test_what_was_measured_here_stands_in_the_place_of_a_prediction(claim: Done) -> None:
    cells = cells_of(claim.document, "tiny-random")

    assert cells["here"]["verdict"]["evidence"] == "measured"
    assert cells["laptop-16"]["verdict"]["evidence"] == "predicted"
    assert claim.document["conclusion"]["evidence"]["measured"] == 1


@pytest.mark.slow
def test_the_conclusion_names_both_sides_and_what_it_stands_on(claim: Done) -> None:
    conclusion = claim.document["conclusion"]

    assert conclusion["are_larger"] in ("yes", "no", "mixed")
    assert [it["model"] for it in conclusion["named"]] == ["gpt-oss-20b", "gpt-oss-120b"]
    assert "kimi-k3" in conclusion["chinese"]["leading"]
    assert conclusion["american"]["median_leading_params"] > 1e9
    assert "Are the leading Chinese open-weight models larger" in conclusion["sentences"][0]


@pytest.mark.slow
def test_a_verdict_stands_before_the_table_of_what_was_measured(measured: Home) -> None:
    done = measured.harness("show", "latest")
    document = measured.harness("show", "latest", "--json").document

    assert done.exit_code == 0, done.stderr
    first = " ".join(done.stdout.split("\n\n")[0].split())
    assert first.startswith("tiny-random:Q8_0 is ")
    assert "(measured): decode " in first
    (entry,) = document["verdicts"]
    assert entry["model"] == "tiny-random:Q8_0"
    assert entry["verdict"]["evidence"] == "measured"
    assert entry["verdict"]["text"] in first


@pytest.mark.slow
def test_machines_can_be_chosen(measured: Home) -> None:
    machines = ("--machine", "laptop-16", "--machine", "STUDIO-96")
    done = measured.harness("claim", *machines, "--matrix")

    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert ["model", "total", "used", "size", "a", "b"] in [line.split() for line in lines]
    assert max(map(len, lines)) <= 80
    assert "gpt-oss-20b: " in " ".join(done.stdout.split())
    assert all(line.startswith("planning ") for line in done.stderr.splitlines())


@pytest.mark.slow
def test_what_runs_here_is_told_first_and_what_was_measured_says_so(measured: Home) -> None:
    done = measured.harness("claim")

    assert done.exit_code == 0, done.stderr
    first, overview, *boards = done.stdout.split("\n\n")
    assert first.startswith("Of ")
    assert "run comfortably on this machine" in " ".join(first.split())
    assert [line.split()[0] for line in overview.splitlines()[2:]] == MACHINES
    assert "tiny-random (measured)" in " ".join(boards[0].split())
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "--matrix" in done.stderr


@pytest.mark.slow
def test_markdown_is_one_table(measured: Home) -> None:
    done = measured.harness("claim", "--machine", "here", "--matrix", "--format", "github")

    assert done.exit_code == 0, done.stderr
    rows = [line.replace("\\|", "") for line in done.stdout.splitlines() if line[:1] == "|"]
    assert {line.count("|") for line in rows} == {8}
    assert len(rows) == len(load_catalog().models) + 2
    assert any("tiny-random" in line and "(measured" in line for line in rows)


@pytest.mark.slow
def test_an_unknown_machine_is_refused_with_those_there_are(home: Home) -> None:
    done = home.harness("claim", "--machine", "laptop-8")

    assert done.exit_code == 2
    error = done.error()
    assert "'laptop-8'" in error
    assert "studio-512" in error

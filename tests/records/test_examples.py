"""The experiments in results/examples, which documentation shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.records.listing import list_experiments
from harness.records.store import load

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "results" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.jsonl"))
_MOST_BYTES = 200_000
_PERSONAL = (
    re.compile(r"(?<![\w.])/(?!proc/|sys/)[\w.-]+/"),  # a path, but for the system's own
    re.compile(r"[A-Za-z]:\\|\\\\"),  # and one of Windows
    re.compile(r"[\w.]+@[\w.]+"),
    re.compile(r"\b\d{1,3}(\.\d{1,3}){3}\b"),  # an address
    re.compile(r"\b[0-9a-f]{2}(:[0-9a-f]{2}){5}\b", re.IGNORECASE),  # of a network card
)


def texts(value: object) -> Iterator[str]:
    """Every text in a document, names of fields too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield str(key)
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


def test_there_is_a_sweep_and_one_configuration_measured_twice() -> None:
    plans = [load(path).experiment.plan for path in EXAMPLES]
    configurations = [
        (model.key, settings) for plan in plans for model in plan.models
        for settings in plan.settings
    ]  # fmt: skip

    assert 2 <= len(plans) <= 4
    assert any(len(plan.settings) > 1 for plan in plans)
    assert len(set(configurations)) < len(configurations)
    assert len({model for model, _ in configurations}) > 1


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_whole_small_and_without_failures(path: Path) -> None:
    stored = load(path)

    assert stored.is_complete
    assert stored.experiment.origin == "harness"
    assert all(run.outcome.status == "ok" and not run.case_failures for run in stored.runs)
    assert len(stored.runs) >= 6
    assert path.stat().st_size < _MOST_BYTES


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_tells_nothing_of_a_person(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    found = {text for line in lines for text in texts(json.loads(line))}

    assert len(found) > 100
    assert [text for text in found for pattern in _PERSONAL if pattern.search(text)] == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_show_and_export_read_an_example(path: Path) -> None:
    shown = CliRunner().invoke(cli.group, ["show", str(path)])
    exported = CliRunner().invoke(cli.group, ["export", str(path)])

    stored = load(path)
    assert shown.exit_code == 0, shown.output
    assert all(
        model.key.partition(":")[0] in shown.stdout for model in stored.experiment.plan.models
    )
    assert exported.exit_code == 0, exported.output
    rows = [json.loads(line) for line in exported.stdout.splitlines()]
    assert {row["harness"]["experiment"] for row in rows} == {stored.experiment.id}


def test_compare_reads_the_settings_of_the_sweep() -> None:
    sweep = next(path for path in EXAMPLES if len(load(path).experiment.plan.settings) > 1)
    identity = load(sweep).experiment.id
    sides = [f"experiment={identity}, type_k={name}" for name in ("f16", "q8_0")]
    found = CliRunner().invoke(
        cli.group, ["compare", "--stored", *sides, "--results", str(FOLDER), "--json"]
    )

    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)


def test_examples_are_not_among_what_is_measured_here() -> None:
    listed = {listing.path for listing in list_experiments(ROOT / "results")}

    assert not listed & set(EXAMPLES)
    assert {listing.path for listing in list_experiments(FOLDER)} == set(EXAMPLES)

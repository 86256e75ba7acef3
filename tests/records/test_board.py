"""The shared files in examples/board: small, whole, anonymous, and what was published."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import cli
from harness.analysis.measured import measured_of
from harness.commands.share.model_names import public_names
from harness.commands.share.rules import RULES
from harness.commands.share.scrub import shared
from harness.models.catalog.catalog import shipped_catalog
from harness.records.store import load

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "examples" / "board"
FILES = sorted(BOARD.glob("*.jsonl"))
PUBLISHED = sorted((BOARD / "published").glob("*.csv"))
_MOST_BYTES = 300_000


def test_the_board_has_several_machines_and_is_small() -> None:
    machines = {load(path).experiment.machine.id for path in FILES}
    origins = {load(path).experiment.origin for path in FILES}

    assert len(machines) >= 3
    assert origins == {"harness", "llama-bench"}
    assert sum(path.stat().st_size for path in BOARD.rglob("*") if path.is_file()) < _MOST_BYTES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_nothing_is_left_to_be_taken_out(path: Path) -> None:
    stored = load(path)
    again = shared(stored, RULES, public_names(shipped_catalog()), keeps_names=True)

    assert stored.is_complete
    assert again.changes == ()
    assert (again.experiment, again.runs) == (stored.experiment, stored.runs)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_show_reads_a_file_and_the_readme_names_it(path: Path) -> None:
    shown = CliRunner().invoke(cli.group, ["show", str(path)])

    assert shown.exit_code == 0, shown.output
    assert f"`{load(path).experiment.id}`" in (BOARD / "README.md").read_text("utf-8")


@pytest.mark.slow
def test_one_page_can_be_made_of_the_board(tmp_path: Path) -> None:
    page = tmp_path / "board.html"
    done = CliRunner().invoke(cli.group, ["report", str(BOARD), "-o", str(page)])

    assert done.exit_code == 0, done.output
    assert all(name in page.read_text("utf-8") for name in ("M2 Ultra", "GB10", "Xeon"))


def test_the_published_figures_are_those_of_the_source() -> None:
    """Every row of the tables, read back through import, share and the formulas."""
    groups = [
        group
        for path in FILES
        if (stored := load(path)).experiment.origin == "llama-bench"
        for group in measured_of(stored.experiment, stored.runs)
    ]
    found = {
        (group.experiment.provenance.engine.library_commit, group.model.key, case.workload): figure
        for group in groups
        for case in group.cases
        if (figure := case.metrics.get("tok_per_s"))
    }
    texts = [path.read_text("utf-8") for path in PUBLISHED]
    rows = [row for text in texts for row in csv.DictReader(text.splitlines())]
    for row in rows:
        kind, n = ("pp", row["n_prompt"]) if row["n_prompt"] != "0" else ("tg", row["n_gen"])
        workload = f"{kind}{n}" + (f"@d{row['n_depth']}" if row["n_depth"] != "0" else "")
        key = row["model_filename"].rpartition("/")[2]
        figure = found.pop((row["build_commit"], key, workload))
        assert figure.value == pytest.approx(float(row["avg_ts"]), rel=1e-6)
    assert len(rows) == 72
    assert found == {}

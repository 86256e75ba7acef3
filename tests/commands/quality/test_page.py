from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from make.quality import make_chunks, make_record

from harness.analysis.quality import side_by_side
from harness.commands.quality.page import hint, page
from harness.commands.quality.quality import QualityResult, ScoredModel
from harness.measure.scoring import ScoreFailure
from harness.report.formats import FORMATS
from harness.schema.outcome import Outcome
from harness.schema.quality import QualityRecord

PATH = Path("results/quality/q.json")


def result_of(*records: QualityRecord, failures: tuple[ScoreFailure, ...] = ()) -> QualityResult:
    models = [
        ScoredModel(record, quality, PATH)
        for record, quality in zip(records, side_by_side(records), strict=True)
    ]
    return QualityResult(records[0].text, tuple(models), failures)


def record_of(n_chunks: int = 6, n_planned: int = 6, **changes: object) -> QualityRecord:
    chunks, _ = make_chunks(np.random.default_rng(1), n_chunks, noise=0.2)
    made = make_record(chunks, identity="q1")
    return made.model_copy(update={"n_chunks_planned": n_planned, **changes})


def shown(result: QualityResult, format: str = "plain") -> str:
    return FORMATS[format](page(result))


def test_every_figure_has_its_interval_and_its_error_in_80_columns() -> None:
    lines = shown(result_of(record_of())).splitlines()
    assert max(map(len, lines)) <= 80
    header = next(line for line in lines if "95 % over chunks" in line)
    assert header.split("  ")[-1].strip() == "±"
    start = lines.index(header) + 2
    names = [line[:19].rstrip() for line in lines[start : start + 9]]
    assert names == [
        "perplexity",
        "  of the reference",
        "  ln of their ratio",
        "  their difference",
        "KL divergence, mean",
        "  99.9th percentile",
        "  median",
        "  largest",
        "same top token",
    ]
    assert "KL divergence, mean" in shown(result_of(record_of()), "github")


def test_what_was_not_finished_says_how_much_was() -> None:
    assert "6 of 9 chunks, then the time was spent" in shown(result_of(record_of(6, 9)))
    outcome = Outcome(status="failed", reason="killed", message="The system killed the worker.")
    failed = result_of(record_of(outcome=outcome))
    text = shown(failed)
    assert "failed: The system killed the worker." in text
    assert "perplexity" not in text


def test_programs_get_a_line_for_each_figure_and_for_what_has_none() -> None:
    outcome = Outcome(status="failed", reason="killed", message="killed")
    failure = ScoreFailure("odd.gguf", "cannot be used: no tokenizer")
    result = result_of(record_of(), record_of(outcome=outcome), failures=(failure,))
    rows = list(csv.DictReader(io.StringIO(shown(result, "csv"))))
    assert len(rows) == 9 + 1 + 1
    first = rows[0]
    assert (first["metric"], first["kind"], first["outcome"]) == ("perplexity", "interval", "ok")
    assert float(first["low"]) < float(first["value"]) < float(first["high"])
    assert float(first["standard_error"]) > 0
    assert (rows[-2]["metric"], rows[-2]["n_chunks"]) == ("", "6")
    assert (rows[-1]["model"], rows[-1]["outcome"]) == ("odd.gguf", failure.message)


def test_the_records_are_named_whole() -> None:
    assert FORMATS["plain"](hint(result_of(record_of()))) == f"Record: {PATH}"

"""Quantizations between memory, speed and distance."""

from __future__ import annotations

import numpy as np
from make.gate import make_candidate
from make.quality import make_chunks, make_record
from make.records import make_model, make_run
from make.scopes import pictures_of, scope_of, table_of

from harness.report.frontier_page import frontier_page
from harness.report.scope import Scope
from harness.schema.experiment import Run
from harness.schema.figure import Figure
from harness.schema.quality import QualityRecord

RATES = {"f16.gguf": 50.0, "q8.gguf": 100.0, "q2.gguf": 60.0}
SIZES = {"f16.gguf": 400, "q8.gguf": 200, "q2.gguf": 300}


def measured() -> Scope:
    models = tuple(
        make_model(key=name, sha256=name * 4, n_bytes=SIZES[name] << 20) for name in RATES
    )
    experiment = make_candidate(models=models, workloads=("tg128",))
    runs: list[Run] = []
    for number in range(8):
        for name, rate in RATES.items():
            weights = make_run().weights[0].model_copy(update={"n_bytes": SIZES[name] << 20})
            made = make_run(
                len(runs), ("tg128",), {"tg128": rate}, model=name, round=number,
                weights=(weights,),
            )  # fmt: skip
            runs.append(made)
    return scope_of((experiment, runs))


def scored(name: str, noise: float) -> QualityRecord:
    chunks, _ = make_chunks(np.random.default_rng(5), n_chunks=8, noise=noise)
    return make_record(chunks, model=name, reference="f16.gguf", identity=name[:2])


def test_what_another_beats_in_everything_is_faint() -> None:
    records = [scored("q8.gguf", 0.1), scored("q2.gguf", 1.5)]
    page = frontier_page(measured(), records)
    marks = {mark.label.split(":")[0]: mark for mark in pictures_of(page)["frontier"].marks}
    assert {name: mark.is_faint for name, mark in marks.items()} == {
        "f16.gguf": False,
        "q8.gguf": False,
        "q2.gguf": True,
    }
    assert marks["f16.gguf"].shade == 0.0
    rows = {row[0]: row for row in table_of(page).rows}
    assert {name: row[-1] for name, row in rows.items()} == {
        "f16.gguf": None,
        "q8.gguf": None,
        "q2.gguf": "q8.gguf",
    }
    for name, mark in marks.items():
        _, _, need, decode, kl, _, _ = rows[name]
        assert isinstance(need, Figure)
        assert isinstance(decode, Figure)
        assert isinstance(kl, Figure)
        assert mark.x == need.value / (1 << 30)
        assert (mark.y, mark.shade) == (decode.value, kl.value)


def test_scores_that_nobody_can_have_had_are_passed_over() -> None:
    record = scored("q8.gguf", 0.1)
    first, *others = record.chunks
    odd = record.model_copy(update={"chunks": (first.model_copy(update={"n_scored": 3}), *others)})
    assert frontier_page(measured(), [odd]) == ()
    assert frontier_page(measured(), []) == ()

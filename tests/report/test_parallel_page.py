"""Several sequences as picture and table, beside the same of one."""

from __future__ import annotations

from make.gate import make_candidate, make_rounds
from make.scopes import pictures_of, scope_of, table_of

from harness.report.page import Quantity
from harness.report.parallel_page import parallel_page

WORKLOADS = ("tg64x8", "tg64", "pp16", "tg64x2", "pp32x4@d8", "chat")


def test_one_sequence_stands_before_several_of_the_same() -> None:
    experiment = make_candidate(workloads=WORKLOADS)
    page = parallel_page(scope_of((experiment, make_rounds(experiment))))
    table = table_of(page)
    assert [row[1:3] for row in table.rows] == [
        ("tg64", 1), ("tg64x2", 2), ("tg64x8", 8), ("pp32x4@d8", 4),
    ]  # fmt: skip
    picture = pictures_of(page)["parallel"]
    assert [(mark.x, mark.y) for mark in picture.marks] == [
        (row[2], getattr(row[3], "value", None)) for row in table.rows
    ]
    assert "of 8 sequences" in picture.marks[2].label
    for row in table.rows:
        together, each = (getattr(cell, "value", 0.0) for cell in row[3:5])
        assert together == each * int(str(row[2]))
    # 23,040 bytes of cache a position, and as much for compute and output whatever their number.
    caches = [cell.value for row in table.rows[:3] if isinstance(cell := row[7], Quantity)]
    assert caches[2] - caches[1] == 6 * 256 * 23_040


def test_of_single_sequences_it_says_nothing() -> None:
    experiment = make_candidate(workloads=("pp512", "tg128"))
    assert parallel_page(scope_of((experiment, make_rounds(experiment)))) == ()

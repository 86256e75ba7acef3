"""Conversations as sentences, tables and a picture."""

from __future__ import annotations

from make.gate import make_candidate, make_rounds
from make.scopes import pictures_of, scope_of, table_of

from harness.report.page import Note, Quantity, Table
from harness.report.turns_page import turns_page, turns_sentences

NAME = "turns3:1000+200+50"


def test_a_conversation_is_told_turn_by_turn() -> None:
    experiment = make_candidate(workloads=(NAME, "tg64"))
    scope = scope_of((experiment, make_rounds(experiment)))
    page = turns_page(scope)
    table = table_of(page)
    assert [row[:3] for row in table.rows] == [
        ("1", 1200, 0),
        ("2", 1450, 1250),
        ("3", 1700, 1500),
        ("3, first message changed", 1700, 1000),
        ("3, nothing in the cache", 1700, 0),
    ]
    assert all(row[3] is not None for row in table.rows)
    assert table.rows[-1][4] is None
    picture = pictures_of(page)["turns"]
    assert [mark.x for mark in picture.marks] == [1, 2, 3, 3, 3]
    assert "turn 3, nothing in the cache" in picture.marks[-1].label
    (note,) = (part for part in page if isinstance(part, Note))
    assert note.lines == tuple(turns_sentences([("", scope.shown[0].group)]))
    assert note.lines[0] == f"{NAME}: a kept prefix saves 1.50 s of 1.70 s at turn 3."
    assert "58.8 % of the prompt of turn 3 is still in the cache" in note.lines[1]
    assert "its first token takes 700 ms" in note.lines[1]
    assert "the session takes 19.1 MiB" in note.lines[2]


def test_without_conversations_it_says_nothing() -> None:
    experiment = make_candidate(workloads=("chat", "tg64"))
    assert turns_page(scope_of((experiment, make_rounds(experiment)))) == ()


def test_several_at_once_stand_beside_one_alone() -> None:
    experiment = make_candidate(workloads=(NAME, "turns3x4:1000+200+50"))
    page = turns_page(scope_of((experiment, make_rounds(experiment))))
    alone, together, shared = (part for part in page if isinstance(part, Table))
    assert (alone.title, together.title) == (NAME, "turns3x4:1000+200+50")
    assert shared.title == f"{NAME}, several at once"
    one, four = shared.rows
    assert (one[0], four[0]) == ("1", "4")
    # Of four contexts each holds the system prompt, of one context all hold it together.
    sizes = [cell.value for cell in (one[4], four[4], four[5]) if isinstance(cell, Quantity)]
    assert len(sizes) == 3
    assert sizes[2] == 4 * sizes[0]
    assert sizes[0] < sizes[1] < sizes[2]
    (note,) = (part for part in page if isinstance(part, Note))
    assert "turns3x4:1000+200+50: one context for all 4 takes" in note.lines[-1]

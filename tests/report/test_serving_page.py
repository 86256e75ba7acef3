from __future__ import annotations

from typing import Any

import pytest
from make.also_served import CHAT, SERVED_KEY, local_run, made_rounds, make_also_served, served_run
from make.records import KEY, make_failed_run
from make.shown import PATH, read, shown_of

from harness.report.document import document
from harness.report.measured_page import measured_result
from harness.report.measured_pictures import measured_pictures
from harness.report.page import Note
from harness.report.picture import Picture
from harness.report.scope import scopes
from harness.report.serving_page import serving_page

WORSE = [(60.0, 58.0, 50.0, 48.0)] * 6


def test_the_page_begins_with_what_serving_costs() -> None:
    page = shown_of(make_also_served(), made_rounds(WORSE))
    first = " ".join(page.split("\n\n")[0].split())
    assert first == (
        f"{KEY}: 48.0 tok/s served, 58.0 tok/s in process; serving costs 17.2 % of decode "
        "(0.828 to 0.828, 6 rounds). The engine alone: 60.0 tok/s."
    )


def test_each_rate_stands_below_the_one_it_is_part_of() -> None:
    page = shown_of(make_also_served(), made_rounds(WORSE))
    assert f"What serving costs: {KEY}, chat" in page
    rows = [
        page.index(name)
        for name in ("engine alone", "engine's chat", "server's clock", "as received")
    ]
    assert rows == sorted(rows)
    assert "xllamacpp 2026.10.11549" in page
    assert "250 tokens in process, 280 served" in page
    assert "The served prompt is 12.0 % longer" in page
    assert "another build of llama.cpp" in page
    assert "built without AVX512, which the engine uses" in page


def test_a_server_of_the_engines_commit_leaves_serving_alone() -> None:
    experiment = make_also_served(version="4321 (0123abc)")
    assert "another build" not in shown_of(experiment, made_rounds(WORSE))


@pytest.mark.parametrize(
    ("rounds", "words"),
    [
        ([(60.0, 50.0, 50.0, 50.0)] * 6, "serving costs less than 2.0 % of decode"),
        ([(60.0, 50.0, 60.0, 60.0)] * 6, "the server is 20.0 % faster"),
        (
            [(60.0, 50.0, 50.0, 50.0), (60.0, 50.0, 25.0, 25.0), (60.0, 50.0, 90.0, 90.0)],
            "whether that differs cannot be told yet",
        ),
        ([(60.0, 50.0, 40.0, 40.0)], "1 round cannot tell a difference (0.800)"),
    ],
)
def test_never_more_is_said_than_the_interval_allows(rounds: Any, words: str) -> None:
    page = " ".join(shown_of(make_also_served(), made_rounds(rounds)).split())
    assert words in page


def test_a_server_that_failed_is_said_with_its_reason() -> None:
    failed = make_failed_run(
        1, round=0, model=SERVED_KEY, settings=served_run(0, 1, 1).settings, workloads=(CHAT,)
    )
    page = " ".join(shown_of(make_also_served(), [local_run(0, 60, 58), failed]).split())
    assert f"{SERVED_KEY} failed: The system killed the worker" in page


def test_programs_read_the_same() -> None:
    result = measured_result(make_also_served(), made_rounds(WORSE), (), PATH)
    (serving,) = read(document(result))["serving"]
    assert (serving["model"], serving["served"]) == (KEY, SERVED_KEY)
    assert serving["same_build"] is False
    assert serving["lacking_features"] == ["AVX512"]
    assert [stage["name"] for stage in serving["stages"]] == [
        "engine",
        "chat",
        "server",
        "received",
    ]
    assert serving["stages"][0]["to_the_one_before"] is None
    (decode,) = [it for it in serving["figures"] if it["metric"] == "decode_tok_per_s"]
    assert decode["ratio"]["verdict"] == "worse"
    assert decode["ratio"]["ratio"]["value"] == pytest.approx(48 / 58, rel=0.02)


def test_what_was_not_served_has_no_such_part() -> None:
    result = measured_result(make_also_served(started_for=None), made_rounds(WORSE), (), PATH)
    assert read(document(result))["serving"] == []


def test_the_rates_are_a_picture_too() -> None:
    groups = measured_result(make_also_served(), made_rounds(WORSE), (), PATH).groups
    pictures = [it for it in measured_pictures(groups) if isinstance(it, Picture)]
    (picture,) = [it for it in pictures if it.name == "serving-1"]
    names = ("engine alone", "engine's chat", "server's clock", "as received")
    assert tuple(mark.y for mark in picture.marks) == names
    assert [mark.x for mark in picture.marks] == pytest.approx([60, 58, 50, 48], rel=0.01)
    assert "48.0 tok/s" in picture.marks[-1].label


def test_rates_of_two_experiments_are_not_mixed() -> None:
    other = make_also_served().model_copy(update={"id": "other1"})
    experiments = [(make_also_served(), WORSE), (other, [(30.0, 20.0, 20.0, 20.0)] * 6)]
    groups = [
        group
        for experiment, rounds in experiments
        for group in measured_result(experiment, made_rounds(rounds), (), PATH).groups
    ]
    (scope,) = scopes(groups)
    told = [line for part in serving_page(scope) if isinstance(part, Note) for line in part.lines]
    assert f"{KEY}: 48.0 tok/s served, 58.0 tok/s in process" in told[0]
    assert f"{KEY}: 20.0 tok/s served, 20.0 tok/s in process" in told[1]

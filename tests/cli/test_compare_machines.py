"""`harness compare --across machine` as its user meets it: several machines side by side."""

from __future__ import annotations

import csv
from collections.abc import Callable

import pytest
from make.gate import put
from make.machines import RATES, experiment_on, models_called, put_fleet

from cli.commandline import Home

ACROSS = ("compare", "--across", "machine")


@pytest.fixture(scope="module")
def fleet(new_home: Callable[[], Home]) -> Home:
    """A home with results of three machines, each with threads of its own."""
    home = new_home()
    put_fleet(home.results)
    return home


def test_machines_stand_side_by_side_the_best_first(fleet: Home) -> None:
    done = fleet.harness(*ACROSS, "results")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "3 Fast Chip leads with" in " ".join(lines)
    at = lines.index("smollm2-135m:Q4_1 · tg128 tok/s")
    ranks = [line.split()[0] for line in lines[at + 1 : at + 4]]
    assert ranks == ["3", "2", "1"]
    assert lines[at + 1].endswith("faster")
    assert lines[at + 3].endswith("baseline")
    assert "threads: 2 on 1 Slow Chip; 3 on 2 Middle Chip; 4 on 3 Fast Chip." in " ".join(lines)
    assert "memory needed: " in done.stdout
    assert "on each." in done.stdout
    assert "What the figures are: --explain" in done.stderr


def test_explained_it_says_that_no_round_is_shared(fleet: Home) -> None:
    said = " ".join(fleet.harness(*ACROSS, "results", "--explain").stdout.split())
    assert "Machines never share a round" in said
    assert "Welch's" in said


def test_json_has_every_machine_with_its_figure_and_ratio(fleet: Home) -> None:
    done = fleet.harness(*ACROSS, "latest", "results", "--baseline", "fast", "--json")
    document = done.document
    assert {it["id"] for it in document["machines"]} == set(RATES)
    assert document["machines"][document["baseline"]]["id"] == "fast"
    rate = next(
        it for it in document["figures"] if (it["workload"], it["metric"]) == ("tg128", "tok_per_s")
    )
    first, *others = rate["standings"]
    assert first["is_baseline"]
    for each in others:
        assert each["verdict"] == "worse"
        assert each["pairing"] == "unpaired"
        assert each["ratio"]["low"] < each["ratio"]["value"] < each["ratio"]["high"]
    (finding,) = document["findings"]
    assert finding["text"].startswith("threads: ")


def test_csv_has_a_row_for_each_machine_in_each_figure(fleet: Home) -> None:
    done = fleet.harness(*ACROSS, "results", "--metric", "tok_per_s", "--format", "csv")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert len(rows) == 6
    assert {row["machine"] for row in rows} == set(RATES)
    assert {row["verdict"] for row in rows} == {"", "better"}


@pytest.mark.slow
def test_as_html_it_has_pictures_and_a_table(fleet: Home) -> None:
    done = fleet.harness(*ACROSS, "results", "--html", "machines.html")
    assert done.exit_code == 0, done.stderr
    html = (fleet.folder / "machines.html").read_text("utf-8")
    assert "tg128 by machine" in html
    assert "3 Fast Chip" in html


@pytest.mark.slow
def test_of_many_machines_the_middle_is_left_out_unless_all_are_asked_for(home: Home) -> None:
    put_fleet(home.results, {f"m{at:02}": -0.04 * at for at in range(15)}, workloads=("tg128",))
    done = home.harness(*ACROSS, "results", "--metric", "tok_per_s", "-q")
    assert "… 3 more" in done.stdout
    assert "15 machines" in done.stdout
    assert "--all" in done.stdout
    every = home.harness(*ACROSS, "results", "--metric", "tok_per_s", "-q", "--all")
    assert "more" not in every.stdout.replace("--explain", "")
    n_rows = sum("faster" in line or "baseline" in line for line in every.stdout.splitlines())
    assert n_rows >= 15


def test_one_machine_alone_is_nothing_to_set_beside(home: Home) -> None:
    put(home.results, experiment_on("alone"))
    done = home.harness(*ACROSS, "results")
    assert done.exit_code == 4
    assert "1 experiment of one machine, alone (Alone Chip)" in done.error()


def test_machines_that_have_nothing_in_common_are_not_compared(home: Home) -> None:
    for name, key in (("one", "a:Q4_0"), ("two", "b:Q4_0")):
        (model,) = (it for it in models_called("a:Q4_0", "b:Q4_0") if it.key == key)
        put(home.results, experiment_on(name, models=(model,)))
    done = home.harness(*ACROSS, "results")
    assert done.exit_code == 4
    line = done.error()
    assert "2 machines have no model, settings and workload in common" in line
    assert "One Chip, 2 cores, 23.4 GiB has a:Q4_0" in line


@pytest.mark.parametrize(
    ("arguments", "exit_code", "says"),
    [
        (("nothing-like-it",), 1, "matches 'nothing-like-it'"),
        (("results", "--baseline", "chip"), 2, "'chip' means 3 machines of these: "),
        (("results", "--baseline", "toaster"), 2, "'toaster' means no machine of these: "),
        (("results", "--threads", "2"), 2, "--threads is for measuring"),
        (("results", "--until", "decided"), 2, "--until is for measuring"),
        (("elsewhere.jsonl",), 1, "elsewhere.jsonl"),
    ],
)
def test_what_cannot_be_done_is_a_line(
    fleet: Home, arguments: tuple[str, ...], exit_code: int, says: str
) -> None:
    done = fleet.harness(*ACROSS, *arguments)
    assert done.exit_code == exit_code
    assert says in done.error()


def test_its_options_are_refused_elsewhere(fleet: Home) -> None:
    for option in (("--baseline", "fast"), ("--all",)):
        done = fleet.harness("compare", "a", "b", *option)
        assert done.exit_code == 2
        assert f"{option[0]} is for --across machine" in done.error()


def test_an_experiment_that_cannot_be_read_is_told_and_the_others_are_shown(home: Home) -> None:
    paths = put_fleet(home.results)
    damaged = home.results / "damaged.jsonl"
    damaged.write_bytes(paths[0].read_bytes()[:300])
    done = home.harness(*ACROSS, "results")
    assert done.exit_code == 0
    assert "damaged.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_of_one_machine_the_newest_counts(home: Home) -> None:
    put_fleet(home.results)
    newer = experiment_on("slow", 2, identity="newer", day=25)
    put(home.results, newer, slowdown=-0.9)
    done = home.harness(*ACROSS, "results", "--json")
    rate = next(it for it in done.document["figures"] if it["workload"] == "tg128")
    assert rate["standings"][0]["experiment"] == "newer"
    assert done.document["n_older_experiments"] == 1

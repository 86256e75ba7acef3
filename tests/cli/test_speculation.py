"""Tokens guessed ahead, from the command line: measured with and without, refused in a line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from endpoint.imitations import llama_server
from make import fault_server
from make.fault_server import CHAT, DONE, Script, event, finish, usage

from cli.commandline import ONE_THREAD, Home
from harness.measure.drafts import usual_workloads_with
from harness.records.store import StoredExperiment, load
from harness.schema.settings import NGRAM
from harness.schema.workload_tasks import TASK_PROMPTS


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home]) -> Home:
    home = new_home()
    done = home.harness(
        "run", "tiny-random", "--draft", f"{NGRAM},tiny-random", "--draft-max", "2", "-w",
        "story,tg8", "--runs", "1", "--trials", "1", *ONE_THREAD,
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    return home


@pytest.fixture(scope="module")
def stored(measured: Home) -> StoredExperiment:
    return load(measured.record())


def test_each_round_has_the_model_alone_and_with_each_draft(stored: StoredExperiment) -> None:
    key = stored.experiment.plan.models[0].key
    assert [it.key for it in stored.experiment.plan.drafts] == [key]
    told = {run.settings.draft: run for run in stored.runs if hasattr(run.settings, "draft")}
    assert set(told) == {None, NGRAM, key}
    assert {run.round for run in stored.runs} == {0}
    # Random tokens are not guessed.
    assert {draft: set(run.workloads) for draft, run in told.items()} == {
        None: {"story", "tg8"}, NGRAM: {"story"}, key: {"story"},
    }  # fmt: skip


def test_the_memory_of_both_is_predicted(stored: StoredExperiment) -> None:
    settings = stored.experiment.plan.settings
    for prediction in stored.experiment.predictions:
        if prediction.component != "total_bytes" or prediction.workload != "story":
            continue
        run = next(it for it in stored.runs if it.settings == settings[prediction.settings_index])
        context = next(it for it in run.contexts if it.workload == "story")
        taken = sum(it.n_bytes for it in (*run.weights, *context.buffers))
        assert prediction.value == pytest.approx(taken, abs=0.05 * (1 << 20))


def test_what_was_measured_is_shown_and_can_be_typed_again(measured: Home) -> None:
    document = measured.harness("show", "latest", "--json").document
    by_draft = {
        case["settings"]["draft"]: case["disturbed"] | case["metrics"]
        for case in document["cases"]
        if case["workload"] == "story"
    }
    plain = by_draft.pop(None)
    assert "accepted_ratio" not in plain
    for figures in by_draft.values():
        assert 0 < figures["accepted_ratio"]["value"] <= 1
        assert 1 < figures["tokens_per_step"]["value"] <= 3
    selected = measured.harness("show", "latest", "--verbose").stdout
    assert "draft none" in selected
    assert "draft ngram, draft-max 2" in selected.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--draft-max", "4"), "--draft-max has no effect without --draft; add --draft ngram"),
        (("--draft", "absent.gguf"), "absent.gguf"),
        (("--draft", NGRAM, "--draft-max", "0"), "0 is less than 1"),
        (("--draft", NGRAM, "--draft-max", "some"), "'some' is not a whole number"),
        (("--draft", "ngram,"), "a draft is missing"),
        (("--draft", NGRAM, "-w", "tg8"), "and tg8 is none of them"),
        (("--draft", NGRAM, "--also-served"), "leave --also-served away, or --draft"),
        (("--draft", "http://127.0.0.1:9"), "is a server; name a model file, or ngram"),
    ],
)
def test_a_draft_that_cannot_be_is_one_line(
    home: Home, arguments: tuple[str, ...], error: str
) -> None:
    done = home.harness("run", "tiny-random", *arguments)
    assert done.exit_code in (1, 2)
    assert error in done.error()
    assert not home.results.exists()


def test_a_server_guesses_with_its_own(home: Home, tiny_model: Path) -> None:
    done = home.harness("run", "--endpoint", "http://127.0.0.1:9", "--draft", str(tiny_model))
    assert done.exit_code == 2
    assert "compare two servers of the same model" in done.error()


def test_where_guessing_pays_is_said_first(measured: Home) -> None:
    shown = measured.harness("show", "latest").stdout
    assert "Guessing by n-grams, up to 2 tokens ahead\n" in shown
    document = measured.harness("show", "latest", "--json").document
    told = [it["settings"]["draft"] for it in document["speculation"]]
    assert told == [NGRAM, document["cases"][0]["model"]]
    for each in document["speculation"]:
        (task,) = each["tasks"]
        assert task["workload"] == "story"
        assert len(task["same_tokens"]) == 4
        assert task["predicted"] is None


def test_without_workloads_all_tasks_are_measured_and_what_their_batches_cost(home: Home) -> None:
    usual = usual_workloads_with((2, 4))
    assert usual == (*TASK_PROMPTS, "verify1@d256", "verify3@d256", "verify5@d256")
    help = " ".join(home.harness("run", "--help").stdout.split())
    assert "Default workloads then: tasks, and what batches cost." in help


@contextmanager
def guessing_server(*, drafts: tuple[int, int]) -> Iterator[str]:
    """As llama-server: it guessed so many tokens in each answer, and of them so many rightly."""
    counts = dict(zip(("draft_n", "draft_n_accepted"), drafts, strict=True))
    timings = {"prompt_n": 7, "prompt_ms": 5.0, "predicted_n": 9, "predicted_ms": 16.0, **counts}
    pieces = [(0.002, event("word ")) for _ in range(9)]
    answer = Script((*pieces, (0, finish(timings=timings)), (0, usage(7, 9, 0)), (0, DONE)))
    with fault_server.serving() as server:
        llama_server(server)
        server.says(CHAT, answer)
        yield server.url


def test_a_server_that_says_what_it_guessed_has_the_same_figures(home: Home) -> None:
    with guessing_server(drafts=(8, 4)) as url:
        done = home.harness(
            "run", "--endpoint", url, "-w", "story", "--runs", "1", "--trials", "1", "--json"
        )
    assert done.exit_code == 0, done.stderr
    (case,) = done.document["cases"]
    figures = case["disturbed"] | case["metrics"]
    assert figures["accepted_ratio"]["value"] == 0.5
    assert figures["tokens_per_step"]["value"] == 8 / 4


def test_what_guesses_can_be_selected_and_compared_with_what_does_not(measured: Home) -> None:
    document = measured.harness(
        "compare", "--stored", "draft=none", "draft=ngram", "--json"
    ).document
    (pair,) = document["comparisons"]
    assert {it["workload"] for it in pair["figures"]} >= {"story"}


@pytest.mark.slow
def test_what_was_interrupted_goes_on_with_what_guesses(measured: Home, home: Home) -> None:
    record = measured.record()
    home.results.mkdir()
    first, run, *_ = record.read_text("utf-8").splitlines(keepends=True)
    (home.results / record.name).write_text(first + run, "utf-8")
    refused = home.harness("run", "--resume", "latest", "--draft", NGRAM, "--draft-max", "2")
    assert "--draft contradicts the plan of" in refused.error()
    done = home.harness("run", "--resume", "latest")
    assert done.exit_code == 0, done.stderr
    drafts = [getattr(run.settings, "draft", None) for run in load(home.record()).runs]
    assert len(drafts) == len({*drafts}) == 3


def test_a_shared_record_keeps_what_guessed_and_not_what_was_said(
    measured: Home, tmp_path: Path
) -> None:
    done = measured.harness("share", "latest", "-o", tmp_path)
    assert done.exit_code == 0, done.stderr
    (shared,) = tmp_path.glob("*.jsonl")
    stored = load(shared)
    assert [it.key for it in stored.experiment.plan.drafts] == ["tiny-random:Q8_0"]
    told = {getattr(run.settings, "draft", None) for run in stored.runs}
    assert told == {None, NGRAM, "tiny-random:Q8_0"}
    answers = [it for run in stored.runs for trial in run.trials for it in trial.requests]
    assert any(it.speculation for it in answers)
    assert not any(it.token_ids for it in answers)


@pytest.mark.slow
def test_with_and_without_guesses_is_a_comparison_too(home: Home) -> None:
    done = home.harness(
        "compare", "tiny-random", "--draft", NGRAM, "--draft-max", "2", "-w", "story", "--runs",
        "2", "--trials", "1", *ONE_THREAD, "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    (pair,) = done.document["comparisons"]
    assert (pair["a"]["settings"]["draft"], pair["b"]["settings"]["draft"]) == (None, NGRAM)
    assert {each["workload"] for each in pair["figures"]} == {"story", None}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("tiny-random", "--draft-max", "4"), "--draft-max has no effect without --draft"),
        (("http://127.0.0.1:1/#m", "tiny-random", "--draft", NGRAM), "--draft is for the engine"),
        (("tiny-random", "--draft", NGRAM, "-w", "tg8"), "--draft is measured in "),
        (("--stored", "a", "b", "--draft", NGRAM), "--draft is for measuring"),
    ],
)
def test_guesses_that_cannot_be_compared_are_refused(
    home: Home, arguments: tuple[str, ...], error: str
) -> None:
    done = home.harness("compare", *arguments)
    assert done.exit_code == 2
    assert error in done.error()

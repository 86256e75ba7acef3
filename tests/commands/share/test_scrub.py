"""A shared experiment: nothing that anybody typed is in it, and every figure is."""

from __future__ import annotations

import datetime
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.also_served import made_rounds, make_also_served
from make.records import (
    KEY,
    make_end,
    make_experiment,
    make_failed_run,
    make_machine,
    make_model,
    make_run,
    make_runs,
)
from make.work import make_work

from harness.analysis.measured import measured_of
from harness.analysis.serving_cost import serving_costs
from harness.commands.share.card_facts import card_of
from harness.commands.share.model_names import PublicNames, public_names
from harness.commands.share.rules import RULES
from harness.commands.share.scrub import SharedExperiment, shared
from harness.models.catalog.catalog import shipped_catalog
from harness.records import lines
from harness.records.store import StoredExperiment, load, whole
from harness.report import card
from harness.report.measured_page import measured_page, measured_result
from harness.schema.experiment import End, Experiment, Run, StoredPrediction
from harness.schema.machine import Accelerator, Energy
from harness.schema.moment import utc_time
from harness.schema.outcome import CaseFailure
from harness.schema.record import Record
from harness.schema.settings import Settings

PUBLIC = public_names(shipped_catalog())
DEVICES = Settings(n_threads=2, devices=("CUDA0",))
NOBODY = PublicNames(frozenset(), frozenset(), frozenset())
EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "results" / "examples").glob("*.jsonl"))


def stored(*runs: Run, **changes: Any) -> StoredExperiment:
    found = runs or tuple(make_runs(6))
    return StoredExperiment(
        Path("x.jsonl"), make_experiment(**changes), found, make_end(len(found))
    )


def share(it: StoredExperiment, public: PublicNames = PUBLIC, **more: bool) -> SharedExperiment:
    return shared(it, RULES, public, **more)


def text_of(it: SharedExperiment) -> str:
    """All that would be passed on: the file's bytes and the picture's text."""
    data = whole(it.experiment, it.runs, it.end).decode("utf-8")
    stops = it.end.stops if it.end else ()
    drawn = card.svg(card_of(measured_result(it.experiment, it.runs, stops, None)))
    return data + drawn


# ------------------------------------------------------------------ a secret in every text

_FIXED = {"kind", "schema", "origin", "status", "reason", "at", "split_mode", "flash_attn"} | {
    "load_mode", "component", "method", "power_source", "chat_template", "source"
}  # fmt: skip
_OF_TIME = {"started_at", "finished_at"}


def planted(value: Any, secret: str, field: str = "") -> Any:
    """A JSON value with the secret in every text that may be any, names of keys too."""
    match value:
        case str() if field == "source" and value.startswith("/"):
            return secret  # of memory figures; that of energy is one of few words
        case str() if field in _FIXED or field in _OF_TIME or field.startswith("workload"):
            return value
        case str():
            return secret
        case list():
            return [planted(each, secret, field) for each in value]
        case dict() if field in ("unknown", "energy_reasons_missing"):
            return {secret: secret}
        case dict() if field in ("tensor_bytes", "type_params", "expert_params"):
            return dict.fromkeys([secret], 1)
        case dict() if field == "works":
            (work,) = value.values()
            return {secret: planted(work, secret)}
        case dict():
            return {name: planted(each, secret, name) for name, each in value.items()}
        case None if field in ("message", "log", "model", "virtualization", "power_mode", "driver"):
            return secret
        case _:
            return value


def with_secret(kind: type[Record], record: Record, secret: str) -> Any:
    facts = json.loads(lines.encode(record))
    return kind.model_validate(planted(facts, secret))


def full_experiment() -> Experiment:
    """One with something in every field that may be empty."""
    card = Accelerator(name="RTX", vendor="NVIDIA", driver="580")
    prediction = StoredPrediction(
        model=KEY, workload="tg128", component="tok_per_s", value=1.0, low=1.0, high=1.0,
        method="calibration", note="of a day",
    )  # fmt: skip
    experiment = make_experiment(
        warnings=("busy",), settings=(DEVICES,), machine=make_machine(accelerators=(card,))
    )
    more = {"predictions": (prediction,), "works": {KEY: make_work()}}
    return experiment.model_copy(update=more)


def full_run(*, fails: bool) -> Run:
    """The same."""
    rest = Energy(source="nvml", domain="x", kind="gpu", joules=1.0, window_ns=10)
    more: dict[str, Any] = {
        "settings": DEVICES, "idle_energy": (rest,), "energy_reasons_missing": {"nvml": "no"},
        "log": "run-0.log",
        "case_failures": (CaseFailure(workload="tg128", reason="hung", message="why"),),
    }  # fmt: skip
    run = make_failed_run(**more) if fails else make_run(**more)
    outcome = run.outcome.model_copy(update={"log_tail": ("a line",)})
    return run.model_copy(update={"outcome": outcome})


SECRETS = st.one_of(
    st.from_regex(r"[a-z]{3}qxzwvk[a-z]{2,12}", fullmatch=True),
    st.from_regex(r"/home/[a-z]{2}qxzwvk[a-z]{2,8}/models/[a-z]{4}qxzwvk\.gguf", fullmatch=True),
    st.from_regex(r"C:\\Users\\[a-z]{2}qxzwvk [a-z]{2,8}\\[a-z]{2}", fullmatch=True),
    st.from_regex(r"[a-z]{2}qxzwvk[a-z]{2}@[a-z]{4}\.org", fullmatch=True),
    st.from_regex(r"RTX 4090 [a-z]{2}qxzwvk[a-z]{2}, Apple M2", fullmatch=True),
    st.from_regex(r"<script>[a-z]{2}qxzwvk</script>", fullmatch=True),
    st.text(min_size=1, max_size=30).map(lambda text: f"{text}qxzwvk{text}"),
)


@settings(max_examples=60, deadline=None)
@given(secret=SECRETS, fails=st.booleans())
def test_a_secret_in_any_text_is_neither_in_the_file_nor_on_the_card(
    secret: str, fails: bool
) -> None:
    experiment = with_secret(Experiment, full_experiment(), secret)
    runs = (with_secret(Run, full_run(fails=fails), secret),)
    end = with_secret(End, make_end(1), secret)
    it = share(StoredExperiment(Path(secret[:20]), experiment, runs, end), NOBODY)

    assert secret not in text_of(it)
    assert "qxzwvk" not in text_of(it)
    assert any("qxzwvk" in before for change in it.changes for before in change.before)


def test_the_secret_reaches_every_free_text() -> None:
    """Else the test above would prove little: what is planted is found again, in many fields."""
    experiment = with_secret(Experiment, full_experiment(), "qxzwvk")
    run = with_secret(Run, full_run(fails=True), "qxzwvk")
    assert lines.encode(experiment).count(b"qxzwvk") >= 40
    assert lines.encode(run).count(b"qxzwvk") >= 20


# ------------------------------------------------------------------ what stays


def test_every_figure_of_a_shared_experiment_is_that_of_the_original() -> None:
    for path in EXAMPLES:
        original = load(path)
        it = share(original)
        before, after = (
            measured_result(each.experiment, each.runs, each.end.stops if each.end else (), None)
            for each in (original, it)
        )
        assert [group.metrics for group in after.groups] == [g.metrics for g in before.groups]
        assert [[c.metrics for c in g.cases] for g in after.groups] == [
            [c.metrics for c in g.cases] for g in before.groups
        ]
        assert after.verdicts == before.verdicts
        assert measured_page(after)


def test_a_shared_experiment_is_read_like_any_other(tmp_path: Path) -> None:
    it = share(stored())
    path = tmp_path / "shared.jsonl"
    path.write_bytes(whole(it.experiment, it.runs, it.end))
    again = load(path)
    assert (again.experiment, again.runs, again.end) == (it.experiment, it.runs, it.end)


def test_what_was_shared_is_shared_again_without_a_change() -> None:
    once = share(stored())
    twice = share(StoredExperiment(Path("x"), once.experiment, once.runs, once.end))
    assert (twice.experiment, twice.runs, twice.end) == (once.experiment, once.runs, once.end)
    assert twice.changes == ()


def test_an_experiment_that_was_cut_short_stays_so() -> None:
    it = share(StoredExperiment(Path("x"), make_experiment(), (make_run(),), None))
    assert it.end is None
    assert whole(it.experiment, it.runs, it.end).count(b"\n") == 2


# ------------------------------------------------------------------ names and times


def test_a_model_of_the_catalogue_keeps_its_name_and_digest() -> None:
    it = share(stored())
    (model,) = it.experiment.plan.models
    assert model.key == KEY
    assert model.sha256 == make_model().sha256
    assert {run.model for run in it.runs} == {KEY}


def test_a_file_of_ones_own_is_called_by_its_header_unless_names_are_kept() -> None:
    mine = make_model(key="/home/alice/secret-v2.gguf", file_name="secret-v2.gguf")
    run = make_run(model=mine.key)
    (model,) = share(stored(run, models=(mine,))).experiment.plan.models
    assert (model.key, model.file_name, model.sha256) == (
        "llama-135M:Q4_1", "llama-135M-Q4_1.gguf", None
    )  # fmt: skip

    it = share(stored(run, models=(mine,)), keeps_names=True)
    (model,) = it.experiment.plan.models
    assert (model.key, model.file_name) == ("secret-v2.gguf", "secret-v2.gguf")
    assert it.runs[0].model == "secret-v2.gguf"
    assert "alice" not in text_of(it)


def test_two_models_that_look_alike_stay_two() -> None:
    models = (make_model(key="a.gguf"), make_model(key="b.gguf"))
    runs = [make_run(n, model=model.key) for n, model in enumerate(models)]
    it = share(stored(*runs, models=models))
    keys = [model.key for model in it.experiment.plan.models]
    assert keys == ["llama-135M:Q4_1", "llama-135M:Q4_1-2"]
    assert [run.model for run in it.runs] == keys


@given(
    begun=st.datetimes(datetime.datetime(1970, 1, 4), datetime.datetime(9999, 12, 28)),
    later=st.timedeltas(datetime.timedelta(-3), datetime.timedelta(3)),
)
@settings(deadline=None)
def test_only_the_day_is_told_and_how_long_after_the_beginning(
    begun: datetime.datetime, later: datetime.timedelta
) -> None:
    try:
        run = make_run(started_at=(begun + later).isoformat())
    except ValueError:  # beyond what a record may hold
        return
    it = share(stored(run, started_at=begun.isoformat()))
    start = utc_time(it.experiment.started_at)
    assert (start.hour, start.minute, start.second) == (0, 0, 0)
    assert start.date() == begun.date()
    since = utc_time(it.runs[0].started_at) - start
    assert since == max(datetime.timedelta(0), since)
    if datetime.timedelta(0) <= later and begun.year < 9999:
        assert abs(since - later) < datetime.timedelta(seconds=1)


def test_what_is_changed_is_shown_and_nothing_else() -> None:
    warnings = ("Other processes use the CPU, in percent of a core: alice (40 %). Stop them.",)
    it = share(stored(warnings=warnings))
    told = {
        change.what: dict(zip(change.before, change.after, strict=True)) for change in it.changes
    }
    assert told["warning"][warnings[0]] == (
        "Other processes use the CPU, in percent of a core: 40 %."
    )
    assert set(told["name of a log"].values()) == {""}
    assert "name of a model" not in told
    assert "processor" not in told


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_shared_example_has_no_path_and_no_time_of_day(path: Path) -> None:
    text = text_of(share(load(path)))
    for known in ("/proc/self/status", "</", "http://www.w3.org/"):
        text = text.replace(known, "")
    assert re.search(r"(?<![\w.])/[a-z][\w.-]+/", text) is None
    assert "T00:00:00" in text


def test_a_file_and_what_was_served_of_it_stay_a_pair() -> None:
    runs = tuple(made_rounds([(60.0, 58.0, 50.0, 48.0)] * 2))
    it = StoredExperiment(Path("x.jsonl"), make_also_served(), runs, None)
    for public in (PUBLIC, NOBODY):
        found = share(it, public)
        file, twin = found.experiment.plan.models
        assert twin.served
        assert twin.served.started_for == file.key
        assert twin.served.version == "xllamacpp 2026.10.11549"
        assert twin.key != file.key
        (cost,) = serving_costs(measured_of(found.experiment, found.runs))
        assert cost.decode
        assert cost.decode.ratio == pytest.approx(48 / 58, rel=0.01)

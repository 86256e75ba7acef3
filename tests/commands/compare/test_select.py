"""Which stored cases a selector means."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.records import make_experiment, make_machine, make_model
from make.settings import SETTINGS

from harness.analysis.measured import Measured
from harness.commands.compare.page import side_text
from harness.commands.compare.select import select_pairs
from harness.errors import ResultsInvalid, UsageError
from harness.models.aliases import names_in_records
from harness.records.listing import StoredConfiguration
from harness.records.select import selector_of, stored_in
from harness.records.store import ExperimentWriter
from harness.schema.configuration import Configuration
from harness.schema.experiment import Experiment
from harness.schema.settings import Settings, computing_threads, option_name, value_text

Q4, Q8 = (
    make_model(key="m:Q4_0", quantization="Q4_0"),
    make_model(key="m:Q8_0", quantization="Q8_0"),
)
OTHER = make_model(key="other:Q8_0", quantization="Q8_0")


def store(folder: Path, day: int, models: tuple[Any, ...], **changes: Any) -> Experiment:
    threads = changes.pop("threads", (2,))
    made = make_experiment(
        models=models, id=f"e{day:07}", started_at=f"2026-11-{day:02}T10:00:00+00:00", **changes
    )
    swept = tuple(Settings(n_threads=n) for n in threads)
    made = made.model_copy(update={"plan": made.plan.model_copy(update={"settings": swept})})
    with ExperimentWriter(folder, made):
        pass
    return made


def select_cases(folder: Path, selector: str) -> list[StoredConfiguration]:
    return stored_in(folder, (selector,), names_in_records).matching(selector)


def ids(folder: Path, a: str, b: str) -> list[tuple[str, str]]:
    return [
        (f"{one.model.key}@{one.experiment.id[-1]}", f"{two.model.key}@{two.experiment.id[-1]}")
        for one, two in select_pairs(folder, a, b)
    ]


def test_the_newest_experiment_that_holds_both_is_taken(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4, Q8))
    store(tmp_path, 2, (Q4, Q8))
    store(tmp_path, 3, (Q4,))
    assert ids(tmp_path, "m:Q4_0", "m:q8_0") == [("m:Q4_0@2", "m:Q8_0@2")]
    assert ids(tmp_path, "Q4_0", "Q8_0") == [("m:Q4_0@2", "m:Q8_0@2")]


def test_a_model_is_selected_by_any_of_its_names(tmp_path: Path) -> None:
    gemma = make_model(key="gemma-3-270m-it:Q8_0", quantization="Q8_0")
    hub = make_model(key="lab/Tiny-GGUF:Q4_0", quantization="Q4_0", file_name="Tiny-Q4_0.gguf")
    store(tmp_path, 1, (gemma, hub))
    for name in ("gemma3:270m", "gemma3:270m-q8_0", "GEMMA-3-270M-IT"):
        assert [it.model.key for it in select_cases(tmp_path, name)] == [gemma.key]
    for name in ("hf.co/lab/Tiny-GGUF:Q4_0", "lab/Tiny-GGUF:Q4_0"):
        assert [it.model.key for it in select_cases(tmp_path, name)] == [hub.key]


def test_without_one_each_side_is_its_newest(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4,))
    store(tmp_path, 2, (Q4,))
    store(tmp_path, 3, (Q8,))
    assert ids(tmp_path, "m:Q4_0", "m:Q8_0") == [("m:Q4_0@2", "m:Q8_0@3")]


def test_two_experiments_are_matched_model_by_model(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4, Q8))
    store(tmp_path, 2, (OTHER, Q8, Q4))
    found = ids(tmp_path, "e0000001", "latest")
    assert sorted(found) == [("m:Q4_0@1", "m:Q4_0@2"), ("m:Q8_0@1", "m:Q8_0@2")]


def test_settings_of_a_sweep_are_set_against_each_other(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4, Q8), threads=(1, 2))
    pairs = select_pairs(tmp_path, "n_threads=1", "n_threads=2")
    assert [(one.model.key, two.model.key) for one, two in pairs] == [
        ("m:Q4_0", "m:Q4_0"),
        ("m:Q8_0", "m:Q8_0"),
    ]
    threads = {tuple(computing_threads(it.settings) for it in pair) for pair in pairs}
    assert threads == {(1, 2)}


def test_terms_narrow_each_other(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4, Q8), threads=(1, 2))
    store(tmp_path, 2, (Q4, Q8), machine=make_machine(id="feed", cpu="Apple M9"))
    assert len(select_cases(tmp_path, "m:Q4_0")) == 3
    assert len(select_cases(tmp_path, "m:Q4_0,n_threads=1")) == 1
    assert len(select_cases(tmp_path, "machine=m9")) == 2
    assert len(select_cases(tmp_path, "machine=feed,Q8_0")) == 1
    assert len(select_cases(tmp_path, "experiment=latest")) == 2
    build = select_cases(tmp_path, "m")[0].experiment.provenance.engine.library_commit
    assert len(select_cases(tmp_path, f"build={build[:4]},repack=on")) == 6
    assert select_cases(tmp_path, "build=nothing") == []


def test_nothing_is_told_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(ResultsInvalid, match="No experiment is stored"):
        select_pairs(tmp_path, "a", "b")
    store(tmp_path, 1, (Q4,))
    with pytest.raises(ResultsInvalid, match=r"matches 'gpt'. There: m:Q4_0, threads 2"):
        select_pairs(tmp_path, "m:Q4_0", "gpt")


def test_too_much_is_told_with_what_there_is(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4, Q8), threads=(1, 2))
    store(tmp_path, 2, (OTHER,), threads=(1, 2))
    with pytest.raises(ResultsInvalid, match=r"mean too much.*threads 1.*threads 2"):
        select_pairs(tmp_path, "m", "other")


def test_the_same_twice_is_refused(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4,))
    with pytest.raises(UsageError, match="mean the same"):
        select_pairs(tmp_path, "m:Q4_0", "latest")


@pytest.mark.parametrize("selector", ["", "m,,Q4_0", "colour=red"])
def test_what_is_no_term_is_refused(tmp_path: Path, selector: str) -> None:
    store(tmp_path, 1, (Q4,))
    with pytest.raises(UsageError):
        select_cases(tmp_path, selector)


def test_a_damaged_file_in_the_folder_harms_nobody(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4, Q8))
    (tmp_path / "broken.jsonl").write_text("{")
    assert ids(tmp_path, "m:Q4_0", "m:Q8_0") == [("m:Q4_0@1", "m:Q8_0@1")]


def test_damaged_files_are_told_where_nothing_else_fits(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text("{")
    with pytest.raises(ResultsInvalid, match=r"No experiment.*Cannot be read: 1 more"):
        select_pairs(tmp_path, "a", "b")
    store(tmp_path, 1, (Q4, Q8))
    with pytest.raises(ResultsInvalid, match=r"matches 'gpt'.*Cannot be read: 1 more"):
        select_pairs(tmp_path, "m:Q4_0", "gpt")


def test_an_id_is_an_experiment_and_a_model_goes_before_it(tmp_path: Path) -> None:
    store(tmp_path, 1, (Q4,))
    store(tmp_path, 2, (make_model(key="e0000001:F16", quantization="F16"), Q4))
    assert ids(tmp_path, "e0000001", "e0000002,m") == [("e0000001:F16@2", "m:Q4_0@2")]
    assert ids(tmp_path, "experiment=e0000001", "e0000002,m") == [("m:Q4_0@1", "m:Q4_0@2")]


def test_a_file_can_be_named_wherever_it_lies(tmp_path: Path) -> None:
    made = store(tmp_path / "elsewhere", 1, (Q4, Q8))
    store(tmp_path, 2, (Q4,))
    (path,) = (tmp_path / "elsewhere").glob("*.jsonl")
    (pair,) = select_pairs(tmp_path, f"{path},Q4_0", f"{path},Q8_0")
    assert {side.experiment.id for side in pair} == {made.id}


def test_any_setting_can_be_named_as_it_is_written(tmp_path: Path) -> None:
    swept = (
        Settings(n_threads=2, type_k="q8_0", repack=False, devices=("CUDA0", "CUDA1")),
        Settings(n_threads=2, n_ctx=4096, tensor_split=(3.0, 1.0)),
    )
    made = make_experiment(models=(Q4,), settings=swept)
    with ExperimentWriter(tmp_path, made):
        pass
    for term in ("type_k=q8_0", "repack=off", "devices=cuda0/CUDA1", "n_ctx=auto"):
        assert [it.settings for it in select_cases(tmp_path, term)] == [swept[0]], term
    for term in (
        "n_ctx=4096",
        "repack=on",
        "tensor_split=3/1",
        " flash_attn = auto,type_k=f16",
    ):
        assert [it.settings for it in select_cases(tmp_path, term)] == [swept[1]], term


@pytest.mark.parametrize("field", Settings.model_fields)
def test_a_setting_is_selected_by_the_name_of_its_option_too(tmp_path: Path, field: str) -> None:
    ours = Settings(n_threads=3, n_batch=7, n_ubatch=5, n_ctx=9, n_gpu_layers=4, n_cpu_moe=6,
                    devices=("CUDA1",), split_mode="row", main_gpu=1, tensor_split=(3.0, 1.0),
                    flash_attn="on", type_k="q8_0", type_v="q4_0", load_mode="none",
                    repack=False, draft="d:Q4_0", draft_max=5, rpc=("a:1", "b.c:2"))  # fmt: skip
    made = make_experiment(models=(Q4,), settings=(Settings(n_threads=1), ours))
    with ExperimentWriter(tmp_path, made):
        pass
    option, value = option_name(field), value_text(getattr(ours, field))
    for name in (field, option, f"--{option}"):
        for term in (f"{name}={value}", f"{name} {value}", f"m:Q4_0,{name}={value}"):
            assert [it.settings for it in select_cases(tmp_path, term)] == [ours], term


@given(st.lists(SETTINGS, min_size=1, max_size=4, unique=True))
@settings(max_examples=25, deadline=None)
def test_what_a_page_prints_of_a_case_selects_it_alone(sweep: list[Settings]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        for id in ("e1", "e2"):
            made = make_experiment(models=(Q4, Q8), settings=tuple(sweep), id=id)
            with ExperimentWriter(folder, made):
                pass
        cases = select_cases(folder, "machine 3f2a")
        assert len(cases) == 4 * len(sweep)
        for case in cases:
            assert select_cases(folder, selector_of(case)) == [case]


@given(SETTINGS, SETTINGS)
@settings(max_examples=25, deadline=None)
def test_what_compare_prints_of_a_side_selects_it_and_not_the_other(
    a: Settings, b: Settings
) -> None:
    with TemporaryDirectory() as name:
        made = make_experiment(models=(Q4,), settings=(a, b))
        with ExperimentWriter(Path(name), made):
            pass
        one, other = (Measured(Configuration(Q4, each), made, ()) for each in (a, b))
        found = select_cases(Path(name), side_text(one, other))
        assert {case.settings for case in found} == {a}


@pytest.mark.parametrize(
    ("term", "n"),
    [("M", 2), ("q4_0", 1), ("m:q4", 0), ("machine=3f2a", 2), ("machine=epyc", 2), ("build=", 0),
     ("build=0.3.36", 2), ("model=Q8_0", 1)],
)  # fmt: skip
def test_terms_mean_what_they_say(tmp_path: Path, term: str, n: int) -> None:
    store(tmp_path, 1, (Q4, Q8))
    assert len(select_cases(tmp_path, term)) == n

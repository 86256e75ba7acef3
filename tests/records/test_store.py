from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.records import make_end, make_experiment, make_failed_run, make_run, make_runs

from harness.errors import ResultsInvalid, ResultsUnwritable
from harness.records.lines import encode, upgraded
from harness.records.listing import find, list_experiments
from harness.records.store import ExperimentWriter, file_name, load, logs_folder
from harness.schema.experiment import SCHEMA_VERSION, End, Experiment, Run
from harness.schema.model import ModelFile, ServedModel
from harness.schema.request import ServiceLevel
from harness.schema.settings import NGRAM, Settings

GOLD = Path(__file__).parents[1] / "gold" / "experiment-1.jsonl"
GOLD_2 = GOLD.with_name("experiment-2.jsonl")
GOLD_3 = GOLD.with_name("experiment-3.jsonl")
GOLD_4 = GOLD.with_name("experiment-4.jsonl")
GOLD_5 = GOLD_4.with_name("experiment-5.jsonl")
GOLD_6 = GOLD_4.with_name("experiment-6.jsonl")
GOLD_7 = GOLD_4.with_name("experiment-7.jsonl")
GOLD_8 = GOLD_4.with_name("experiment-8.jsonl")
GOLD_9 = GOLD_4.with_name("experiment-9.jsonl")


def write(folder: Path, experiment: Experiment, runs: list[Run], *, is_complete: bool) -> Path:
    with ExperimentWriter(folder, experiment) as writer:
        for run in runs:
            writer.append_run(run)
        if is_complete:
            writer.finish(make_end(len(runs)))
    return writer.path


def test_saving_and_loading_is_identity(tmp_path: Path) -> None:
    experiment, runs = make_experiment(), [*make_runs(2), make_failed_run(2)]
    stored = load(write(tmp_path / "results", experiment, runs, is_complete=True))
    assert stored.experiment == experiment
    assert list(stored.runs) == runs
    assert stored.end == make_end(3)
    assert stored.is_complete
    assert stored.n_torn == 0


@given(st.text(), st.text())
def test_any_text_survives_a_line(message: str, name: str) -> None:
    outcome = make_failed_run().outcome.model_copy(update={"message": message, "log_tail": (name,)})
    run = make_failed_run(outcome=outcome)
    line = encode(run)
    assert line.count(b"\n") == 1
    assert Run.model_validate(json.loads(line)) == run


def test_the_file_is_named_by_time_machine_and_id(tmp_path: Path) -> None:
    experiment = make_experiment(started_at="2026-11-23T18:54:00+01:00", id="a/b:c")
    assert file_name(experiment) == "20261123T175400Z-3f2a91c04d-a_b_c.jsonl"
    assert logs_folder(tmp_path / "x.jsonl") == tmp_path / "x-logs"


def test_every_line_is_on_the_disk_before_the_next_run(tmp_path: Path) -> None:
    with ExperimentWriter(tmp_path, make_experiment()) as writer:
        for n in range(3):
            assert len(load(writer.path).runs) == n
            writer.append_run(make_run(n))
    assert not load(writer.path).is_complete


def test_an_experiment_is_never_overwritten(tmp_path: Path) -> None:
    path = write(tmp_path, make_experiment(), make_runs(1), is_complete=True)
    before = path.read_bytes()
    with pytest.raises(ResultsUnwritable, match="exists"):
        ExperimentWriter(tmp_path, make_experiment())
    assert path.read_bytes() == before


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    occupied = tmp_path / "results"
    occupied.write_text("not a folder")
    with pytest.raises(ResultsUnwritable, match=r"--results DIR"):
        ExperimentWriter(occupied, make_experiment())


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ResultsUnwritable, match="Permission denied"):
        ExperimentWriter(tmp_path, make_experiment())


def test_a_read_only_file_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ResultsUnwritable, match=r"cannot be created \(Read-only file system\)"):
        ExperimentWriter(tmp_path, make_experiment())


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_full_disk_leaves_only_whole_lines(tmp_path: Path) -> None:
    import resource

    run = make_run(0)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    with ExperimentWriter(tmp_path, make_experiment()) as writer:
        writer.append_run(run)
        whole = writer.path.read_bytes()
        # The system writes what still fits, then refuses: just as on a disk that fills up.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 1000, usual[1]))
        try:
            with pytest.raises(ResultsUnwritable, match="unharmed"):
                writer.append_run(run)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, usual)
        assert writer.path.read_bytes() == whole
        writer.append_run(run)
    assert len(load(writer.path).runs) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_disk_that_is_full_from_the_start_keeps_no_empty_file(tmp_path: Path) -> None:
    import resource

    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, usual[1]))
    try:
        with pytest.raises(ResultsUnwritable):
            ExperimentWriter(tmp_path, make_experiment())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_number_is_not_written(tmp_path: Path) -> None:
    experiment = make_experiment()
    conditions = experiment.conditions.model_copy(update={"load_average_1m": float("nan")})
    with pytest.raises(ResultsUnwritable, match="not a number"):
        ExperimentWriter(tmp_path, experiment.model_copy(update={"conditions": conditions}))
    assert list(tmp_path.iterdir()) == []


def test_nan_in_a_file_is_damage(tmp_path: Path) -> None:
    path = write(tmp_path, make_experiment(), make_runs(2), is_complete=True)
    path.write_bytes(path.read_bytes().replace(b'"precision":0.02', b'"precision":NaN'))
    with pytest.raises(ResultsInvalid):
        load(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_torn_last_line_is_dropped_and_said(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines = GOLD.read_bytes().splitlines(keepends=True)
    cut = data.draw(st.integers(min_value=1, max_value=len(lines[2]) - 2))
    path = tmp_path_factory.mktemp("torn") / "torn.jsonl"
    path.write_bytes(b"".join(lines[:2]) + lines[2][:cut])
    stored = load(path)
    assert stored.n_torn == 1
    assert len(stored.runs) == 1
    assert not stored.is_complete


def test_zeros_after_a_power_cut_are_a_torn_line(tmp_path: Path) -> None:
    path = write(tmp_path, make_experiment(), make_runs(1), is_complete=False)
    with path.open("ab") as file:
        file.write(b"\0" * 4096)
    stored = load(path)
    assert (len(stored.runs), stored.n_torn) == (1, 1)


@pytest.mark.parametrize(
    ("garbage", "reason"),
    [(b"\0\0\0", "not JSON"), (b"[1]", "not JSON"), (b'{"kind":"run"}', "Field required")],
)
def test_garbage_in_the_middle_names_file_and_line(
    tmp_path: Path, garbage: bytes, reason: str
) -> None:
    path = tmp_path / "damaged.jsonl"
    lines = GOLD.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], garbage, *lines[1:]]) + b"\n")
    with pytest.raises(ResultsInvalid, match=rf"damaged\.jsonl, line 2 is damaged: .*{reason}"):
        load(path)


def test_a_run_after_the_end_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    lines = GOLD.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines, lines[1]]) + b"\n")
    with pytest.raises(ResultsInvalid, match="after the end"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"hello\n", b'{"kind":"run"}\n', b"GGUF\0\1"])
def test_other_files_are_no_experiments(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.jsonl"
    path.write_bytes(content)
    with pytest.raises(ResultsInvalid, match="not an experiment file"):
        load(path)


def test_a_missing_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ResultsInvalid, match="No such file") as caught:
        load(tmp_path / "gone.jsonl")
    assert "\n" not in str(caught.value)


def test_a_newer_schema_asks_for_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "newer.jsonl"
    path.write_bytes(GOLD.read_bytes().replace(b'{"schema":1', b'{"schema":99', 1))
    with pytest.raises(ResultsInvalid, match="Upgrade the harness"):
        load(path)


@pytest.mark.parametrize("schema", [b'"1"', b"0", b"true", b"null", b"-3"])
def test_a_schema_that_is_no_number_is_damage(tmp_path: Path, schema: bytes) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(GOLD.read_bytes().replace(b'{"schema":1', b'{"schema":' + schema, 1))
    with pytest.raises(ResultsInvalid, match="schema"):
        load(path)


def test_a_first_token_that_was_predicted_in_ms_is_one_in_ns() -> None:
    times = {"value": 450.0, "low": 400.0, "high": 600}
    predictions = [{"component": "ttft_ms", **times}, {"component": "tok_per_s", **times}]
    line = {"kind": "experiment", "schema": 4, "predictions": predictions}
    first, rate = upgraded(line, 4, target=5)["predictions"]
    assert first == {"component": "ttft_ns", "value": 450e6, "low": 400e6, "high": 600e6}
    assert rate == predictions[1]


def test_a_prediction_corrected_by_local_results_is_known_by_its_name_of_then() -> None:
    line = {"kind": "experiment", "schema": 4, "predictions": [{"method": "anchors"}]}

    assert upgraded(line, 4, target=5)["predictions"] == [{"method": "local-results"}]
    assert upgraded({"kind": "run"}, 4, target=5) == {"kind": "run"}


def test_old_lines_walk_through_every_upgrade() -> None:
    steps = {
        1: lambda line: {**line, "steps": [1]},
        2: lambda line: {**line, "steps": [*line["steps"], 2]},
    }
    assert upgraded({"kind": "run"}, 1, steps, target=3) == {"kind": "run", "steps": [1, 2]}
    assert upgraded({"kind": "run"}, 3, steps, target=3) == {"kind": "run"}


def test_files_of_schema_1_stay_readable() -> None:
    stored = load(GOLD)
    assert stored.experiment.schema_version == SCHEMA_VERSION
    assert stored.experiment.predictions == ()
    assert not stored.experiment.plan.models[0].is_twin
    assert (stored.experiment.id, stored.experiment.machine.cpu) == ("k7f3q9", "AMD EPYC")
    assert stored.experiment.plan.models[0].token_read_bytes == 96_000_000
    assert [run.outcome.reason for run in stored.runs] == [None, None, "killed"]
    assert [trial.workload for trial in stored.runs[0].trials] == ["pp512"] * 4 + ["tg128"] * 4
    assert sum(stored.runs[0].trials[5].step_ns) == stored.runs[0].trials[5].total_ns
    assert stored.runs[1].bandwidth_after is not None
    assert stored.end is not None
    assert stored.end.stops[0].n_runs == 3


def test_files_of_schema_2_stay_readable() -> None:
    stored = load(GOLD_2)
    speed, cache = stored.experiment.predictions
    assert (speed.component, speed.low, speed.value, speed.high) == ("tok_per_s", 100, 115, 132)
    assert (cache.method, cache.workload, cache.settings_index) == ("planner", "tg128", 0)
    assert stored.experiment.plan.models[0].is_twin
    assert stored.experiment.origin == "harness"
    assert stored.runs[0].trials[0].energy == ()
    assert len(stored.runs) == 3


def test_files_of_schema_3_stay_readable() -> None:
    stored = load(GOLD_3)
    run = stored.runs[0]
    (rest,), (taken,) = run.idle_energy, run.trials[1].energy
    assert (rest.source, rest.domain, rest.joules) == ("powercap", "package-0", 30)
    assert taken.joules == pytest.approx(40 * run.trials[1].total_ns / 1e9)
    assert run.energy_reasons_missing == {"nvml": "no NVIDIA driver answers"}
    assert stored.experiment.origin == "harness"
    assert stored.experiment.works == {}


def test_files_of_schema_4_stay_readable() -> None:
    work = load(GOLD_4).experiment.works["smollm2-135m:Q4_1"]
    assert (work.token_read_bytes, work.is_mixture, work.is_recurrent) == (11 * 10**8, True, True)
    assert (work.attention[0].n_positions_max, work.expert_params) == (128, {"Q4_K": 400_000_000})


def test_files_of_schema_5_tell_what_a_token_reads_by_their_works_alone() -> None:
    stored = load(GOLD_5)
    (model,) = stored.experiment.plan.models
    assert isinstance(model, ModelFile)
    assert model.kv_read_bytes_per_position is None
    assert stored.experiment.works[model.key].cache_read_bytes(1) == 4 * (128 + 128) * 2
    assert [run.outcome.status for run in stored.runs] == ["ok", "ok"]
    assert {trial.workload for trial in stored.runs[0].trials} == {"pp16", "tg8", "tg8@d64"}
    (of_4,) = load(GOLD_4).experiment.plan.models
    assert isinstance(of_4, ModelFile)
    assert of_4.kv_read_bytes_per_position == 23_040
    assert not any(run.is_in_turns for run in stored.runs)


def test_files_of_schema_6_tell_which_trials_were_neighbours() -> None:
    one, other = load(GOLD_6).runs
    assert (one.is_in_turns, other.is_in_turns, one.round, other.round) == (True, True, 0, 0)
    assert [trial.index for trial in one.trials] == [trial.index for trial in other.trials]


def test_files_of_schema_7_hold_what_a_server_was_asked() -> None:
    stored = load(GOLD_7)
    (model,) = stored.experiment.plan.models
    assert isinstance(model, ServedModel)
    assert (model.served.server, model.served.is_local) == ("llama-server", True)
    assert stored.experiment.plan.settings == (model.served.settings,)
    assert stored.experiment.plan.slo == ServiceLevel(ttft_ns=10**9)
    trials = [trial for run in stored.runs for trial in run.trials if not trial.is_warm_up]
    assert {len(trial.requests) for trial in trials} == {1, 6}
    assert all(it.n_tokens == 8 for trial in trials for it in trial.requests)
    assert not any(trial.requests for run in load(GOLD_6).runs for trial in run.trials)


def test_a_file_of_schema_8_holds_conversations_and_guesses() -> None:
    stored = load(GOLD_8)
    assert stored.schema == 8
    plain, guessing = stored.experiment.plan.settings
    assert isinstance(guessing, Settings)
    assert (guessing.draft, guessing.draft_max) == (NGRAM, 2)
    trials = {
        (run.settings, trial.workload): trial
        for run in stored.runs
        for trial in run.trials
        if not trial.is_warm_up
    }
    alone = trials[plain, "turns2:64+24+8"]
    assert [(it.turn, it.history) for it in alone.requests] == [
        (0, "kept"), (1, "kept"), (1, "edited"), (1, "dropped"),
    ]  # fmt: skip
    assert alone.session is not None
    assert alone.session.n_bytes > 0
    together = trials[plain, "turns2x2:64+24+8"]
    assert {it.user for it in together.requests} == {0, 1}
    assert len(trials[plain, "verify3"].step_ns) == 21
    told = [it.speculation for it in trials[guessing, "question"].requests]
    assert all(it and it.n_accepted <= it.n_drafted for it in told)
    assert not any(trial.session for run in load(GOLD_7).runs for trial in run.trials)


def test_a_file_of_schema_9_says_which_fleet_it_belongs_to() -> None:
    stored = load(GOLD_9)
    assert stored.schema == 9
    part = stored.experiment.fleet
    assert part is not None
    assert part.host == "studio"
    assert part.plan_sha256 is not None
    assert part.clock_offset_ns is not None
    assert load(GOLD_8).experiment.fleet is None


def test_experiments_are_listed_newest_last(tmp_path: Path) -> None:
    for day, name in ((3, "late"), (1, "early"), (2, "middle")):
        experiment = make_experiment(id=name, started_at=f"2026-11-0{day}T10:00:00Z")
        write(tmp_path, experiment, make_runs(day), is_complete=name != "late")
    (tmp_path / "zz-damaged.jsonl").write_text("{}")
    (tmp_path / "notes.txt").write_text("not ours")
    listings = list_experiments(tmp_path)
    assert [item.id for item in listings] == ["zz-damaged", "early", "middle", "late"]
    assert [item.n_runs for item in listings] == [None, 1, 2, None]
    assert [item.is_complete for item in listings] == [False, True, True, False]
    assert listings[0].problem is not None
    assert "not an experiment file" in listings[0].problem


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert list_experiments(tmp_path / "results") == []


def test_an_odd_time_is_a_problem_of_one_file_only(tmp_path: Path) -> None:
    write(tmp_path, make_experiment(), [], is_complete=True)
    odd = GOLD.read_bytes().replace(b"2026-11-23T17:54:00+00:00", b"yesterday", 1)
    (tmp_path / "odd.jsonl").write_bytes(odd)
    assert [item.problem is None for item in list_experiments(tmp_path)] == [False, True]


def test_a_long_last_line_is_read_from_its_beginning(tmp_path: Path) -> None:
    end = make_end(1)
    many = end.model_copy(update={"stops": end.stops * 300})
    with ExperimentWriter(tmp_path, make_experiment()) as writer:
        writer.append_run(make_run(0))
        writer.finish(many)
    assert list_experiments(tmp_path)[0].n_runs == 300


def test_listing_reads_only_the_ends_of_files(tmp_path: Path) -> None:
    path = write(tmp_path, make_experiment(), make_runs(2), is_complete=True)
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([lines[0], b"x" * 1_000_000, lines[-1]]) + b"\n")
    assert list_experiments(tmp_path)[0].is_complete


def test_experiments_are_found_by_latest_id_prefix_name_and_path(tmp_path: Path) -> None:
    first = write(tmp_path, make_experiment(id="abc1"), [], is_complete=True)
    later = make_experiment(id="abd2", started_at="2026-11-24T00:00:00Z")
    second = write(tmp_path, later, [], is_complete=True)
    assert find(tmp_path, "latest") == second
    assert find(tmp_path, "abc1") == first
    assert find(tmp_path, "abd") == second
    assert find(tmp_path, first.name) == first
    assert find(tmp_path / "elsewhere", str(first)) == first


def test_an_id_wins_over_the_ids_it_begins(tmp_path: Path) -> None:
    exact = write(tmp_path, make_experiment(id="ab"), [], is_complete=True)
    write(tmp_path, make_experiment(id="abc"), [], is_complete=True)
    assert find(tmp_path, "ab") == exact


@pytest.mark.parametrize(
    ("selector", "said"),
    [("zz", "No experiment in .* matches"), ("ab", "2 experiments in .* match")],
)
def test_nothing_or_several_lists_what_there_is(tmp_path: Path, selector: str, said: str) -> None:
    write(tmp_path, make_experiment(id="abc1"), [], is_complete=True)
    write(tmp_path, make_experiment(id="abd2"), [], is_complete=True)
    with pytest.raises(ResultsInvalid, match=rf"{said}.*abd2, abc1"):
        find(tmp_path, selector)


def test_latest_is_the_latest_with_a_result(tmp_path: Path) -> None:
    def at(hour: int, *runs: Run, reason: str) -> Path:
        started = f"2026-11-24T{hour:02}:00:00Z"
        stop = make_end(len(runs)).stops[0].model_copy(update={"reason": reason})
        with ExperimentWriter(tmp_path, make_experiment(id=f"h{hour}", started_at=started)) as into:
            for run in runs:
                into.append_run(run)
            into.finish(End(finished_at=started, stops=(stop,)))
        return into.path

    measured = at(1, make_run(0), reason="max-runs")
    failed = at(2, make_failed_run(), make_failed_run(1), reason="failed")
    in_vain = at(3, make_run(0, n_trials=0), reason="interrupted")

    assert find(tmp_path, "latest") == measured
    assert find(tmp_path, "latest", may_lack_result=True) == in_vain
    assert find(tmp_path, "h2") == failed
    assert [each.has_failed for each in list_experiments(tmp_path)] == [False, True, False]
    damaged = at(4, make_run(0), reason="max-runs")
    damaged.write_bytes(damaged.read_bytes().replace(b'"total_ns":', b'"total_ns":-', 1))
    assert find(tmp_path, "latest") == measured
    assert find(tmp_path, "latest", may_lack_result=True) == damaged
    damaged.unlink()
    measured.unlink()
    assert find(tmp_path, "latest") == in_vain


def test_an_empty_folder_says_how_to_fill_it(tmp_path: Path) -> None:
    with pytest.raises(ResultsInvalid, match="harness run"):
        find(tmp_path, "latest")


@given(cut=st.integers(0, 400), has_zeros=st.booleans())
@settings(max_examples=30)
def test_an_experiment_is_reopened_behind_its_last_whole_run(
    tmp_path_factory: pytest.TempPathFactory, cut: int, has_zeros: bool
) -> None:
    runs = make_runs(3)
    path = write(tmp_path_factory.mktemp("on"), make_experiment(), runs[:2], is_complete=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - cut] + bytes(9 * has_zeros))
    stored = load(path)
    with ExperimentWriter.reopened(stored) as writer:
        # Whoever is killed here has lost nothing.
        again = load(path)
        assert (again.runs, again.end, again.n_torn) == (stored.runs, None, 0)
        writer.require_whole()
        writer.append_run(runs[2])
        writer.finish(make_end(3))
    assert load(path).runs == (*stored.runs, runs[2])
    assert load(path).end == make_end(3)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anything")
def test_what_cannot_be_written_is_not_reopened(tmp_path: Path) -> None:
    path = write(tmp_path, make_experiment(), make_runs(1), is_complete=True)
    path.chmod(0o400)
    with pytest.raises(ResultsUnwritable, match="make it writable"):
        ExperimentWriter.reopened(load(path))
    assert load(path).end

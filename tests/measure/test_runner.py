"""The real worker with the real engine on a tiny model, and everything that can befall it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from time import perf_counter_ns

import psutil
import pytest

import harness
from harness.errors import HarnessError
from harness.measure.jobs.measure import (
    ContextEvent,
    MeasureJob,
    MeasureReport,
    RepeatEvent,
    TrialEvent,
    measure,
)
from harness.measure.jobs.plan import PlanJob, PlannedModelEvent
from harness.measure.jobs.quantize import PlanFilesJob, QuantizedTensorEvent, QuantizeJob
from harness.measure.jobs.score import ChunkEvent, ScoreJob, SpilledEvent, TokenizeJob
from harness.measure.protocol import VERSION, DescribeJob, Event, HelloEvent, Job
from harness.measure.runner import describe_engine, run_worker
from harness.schema.experiment import ContextFacts, EngineInfo
from harness.schema.quality import ChunkScores
from harness.schema.settings import Settings

_ODD = "/ü/b\udcffd"
"""A path with a byte that is no UTF-8, as Python tells it."""

MEASURE = MeasureJob(
    model_path="m",
    settings=Settings(n_threads=1),
    workloads=("tg16",),
    started_ns=0,
    deadline_ns=0,
)
PLAN = PlanJob(model_path="m", settings=Settings(n_threads=1), tensor_bytes={})
QUANTIZE = QuantizeJob(model_path="m", file_type="Q8_0", target_path="q")
SCORE = ScoreJob(
    model_path="m",
    settings=Settings(n_threads=1),
    text_path="t",
    n_ctx=16,
    n_chunks=3,
    deadline_ns=0,
)
FAULTS = Path(__file__).parents[1] / "make" / "engine_faults.py"
N_TRIALS = 3


def job(model: Path | str, *workloads: str, **settings: object) -> MeasureJob:
    now = perf_counter_ns()
    return MeasureJob(
        model_path=str(model),
        settings=Settings.model_validate({"n_threads": 1} | settings),
        workloads=workloads or ("tg16",),
        n_trials=N_TRIALS,
        n_trials_max=N_TRIALS,
        seed=1,
        n_cores_logical=2,
        n_cores_usable=2,
        started_ns=now,
        deadline_ns=now + 60_000_000_000,
    )


def run(tmp_path: Path, work: MeasureJob, **options: object) -> MeasureReport:
    return measure(work, log=tmp_path / "run.log", **options)  # type: ignore[arg-type]


def run_faulty(tmp_path: Path, model: Path, fault: str, **options: object) -> MeasureReport:
    command = (sys.executable, str(FAULTS), fault)
    return run(tmp_path, job(model), command=command, **options)


def speaker(*lines: str) -> tuple[str, ...]:
    """A worker that says just that, each line once the parent has taken the last, and goes."""
    script = "import sys\nfor line in sys.argv[1:]: input(); print(line, flush=True)\ninput()"
    return (sys.executable, "-c", script, *lines)


def trials(report: MeasureReport, workload: str) -> list[int]:
    return [t.index for t in report.trials if t.workload == workload and not t.is_warm_up]


def test_every_kind_of_workload_is_measured(tmp_path: Path, tiny_model: Path) -> None:
    names = ("pp32", "tg16", "tg8@d64", "pp16@d32", "chat", "sustain1")
    report = run(tmp_path, job(tiny_model, *names))

    assert report.outcome.status == "ok", report.outcome
    assert [context.workload for context in report.contexts] == list(names)
    for name in names:
        wanted = [0] if name == "sustain1" else [0, 1, 2][: len(trials(report, name))]
        assert trials(report, name) == wanted
        assert next(t.is_warm_up for t in report.trials if t.workload == name)


@pytest.mark.slow
def test_the_figures_of_a_trial_agree_with_each_other(tmp_path: Path, tiny_model: Path) -> None:
    report = run(tmp_path, job(tiny_model, "pp32", "tg16", "chat", "sustain1"))
    by_name = {trial.workload: trial for trial in report.trials}

    assert by_name["pp32"].n_tokens == 32
    assert len(by_name["tg16"].step_ns) == 16
    assert sum(by_name["tg16"].step_ns) == by_name["tg16"].total_ns
    chat = by_name["chat"]
    assert chat.ttft_ns
    assert chat.tokenize_ns
    assert chat.tokenize_ns < chat.ttft_ns
    assert len(chat.step_ns) == chat.n_tokens - 1
    assert chat.ttft_ns + sum(chat.step_ns) == chat.total_ns
    assert (chat.n_prompt or 0) > 1000  # a vocabulary of bytes: as many tokens as characters
    sustained = by_name["sustain1"]
    assert sum(sustained.window_tokens) == sustained.n_tokens
    assert sum(sustained.window_ns) == sustained.total_ns >= 1_000_000_000


def test_a_run_tells_load_memory_buffers_and_engine(tmp_path: Path, tiny_model: Path) -> None:
    report = run(tmp_path, job(tiny_model, "tg16"))

    assert report.engine
    assert report.engine.binding_version == "0.3.36"
    assert {device.kind for device in report.engine.devices} >= {"cpu"}
    assert report.load
    assert report.load.total_ns >= report.load.process_ns + report.load.model_ns
    assert [mark.at for mark in report.memory] == ["start", "loaded", "end"]
    kinds = {buffer.kind for buffer in report.contexts[0].buffers}
    assert kinds == {"kv", "compute", "output"}
    assert sum(buffer.n_bytes for buffer in report.weights) == pytest.approx(
        tiny_model.stat().st_size, rel=0.05
    )


def test_depth_and_asked_context_size_the_cache(tmp_path: Path, tiny_model: Path) -> None:
    kv = {}
    for n_ctx in (None, 4096):
        report = run(tmp_path, job(tiny_model, "tg8@d1000", n_ctx=n_ctx))
        assert report.outcome.status == "ok"
        context = report.contexts[0]
        kv[context.n_ctx] = sum(b.n_bytes for b in context.buffers if b.kind == "kv")
    assert list(kv) == [1024, 4096]  # 1008 positions, padded to whole cells of 256
    assert kv[4096] == pytest.approx(4 * kv[1024], rel=0.01)


ALONE: list[tuple[dict[str, object], str]] = [
    ({"flash_attn": "on"}, "enabled"),
    ({"flash_attn": "off"}, "disabled"),
    ({"type_k": "q8_0", "type_v": "q8_0"}, "K (q8_0)"),
    ({"n_batch": 64, "n_ubatch": 32}, "n_ubatch              = 32"),
    ({"load_mode": "none"}, "load_mode = none"),
    ({"repack": False}, ""),
    ({"n_cpu_moe": 2}, ""),
    ({"devices": ("CPU",)}, ""),
    ({"tensor_split": (1.0,), "split_mode": "none"}, ""),
]


@pytest.mark.slow
@pytest.mark.parametrize(("settings", "expected"), ALONE)
def test_settings_reach_the_engine(
    tmp_path: Path, tiny_model: Path, settings: dict[str, object], expected: str
) -> None:
    report = run(tmp_path, job(tiny_model, "pp64", **settings))
    assert report.outcome.status == "ok", report.outcome
    assert expected in (tmp_path / "run.log").read_text()


def test_settings_reach_the_engine_together(tmp_path: Path, tiny_model: Path) -> None:
    chosen = [it for it in ALONE if it[0] != {"flash_attn": "off"}]
    together = {name: value for settings, _ in chosen for name, value in settings.items()}
    report = run(tmp_path, job(tiny_model, "pp64", **together))
    assert report.outcome.status == "ok", report.outcome
    log = (tmp_path / "run.log").read_text()
    assert [expected for _, expected in chosen if expected not in log] == []


def test_the_worker_waits_while_the_parent_deals_with_an_event(
    tmp_path: Path, tiny_model: Path
) -> None:
    cpu_ns: list[float] = []

    def slow(event: Event) -> None:
        if isinstance(event, TrialEvent):
            child = psutil.Process().children()[0]
            before = sum(child.cpu_times()[:2])
            time.sleep(0.3)
            cpu_ns.append(sum(child.cpu_times()[:2]) - before)

    run_worker(job(tiny_model), log=tmp_path / "run.log", on_event=slow)
    assert len(cpu_ns) == 1 + N_TRIALS
    # A worker that went on would have used the whole 0.3 s on its busy-waiting thread.
    assert max(cpu_ns) < 0.1


def test_disturbed_trials_are_repeated_and_that_is_told_once(
    tmp_path: Path, tiny_model: Path
) -> None:
    told: list[Event] = []
    report = measure(
        job(tiny_model).model_copy(update={"n_trials_max": 3 * N_TRIALS}),
        log=tmp_path / "run.log",
        on_event=told.append,
        command=(sys.executable, str(FAULTS), "load"),
    )
    assert len(report.trials) == 1 + 2 + N_TRIALS
    reasons = [event.disturbed_by for event in told if isinstance(event, TrialEvent)]
    assert reasons == [None, *["others took 40.0 % of the CPUs"] * 2, *[None] * N_TRIALS]
    (repeat,) = [event for event in told if isinstance(event, RepeatEvent)]
    assert (repeat.n_disturbed, repeat.n_trials, repeat.n_trials_max) == (2, 3, 9)
    assert repeat.disturbed_by == "others took 40.0 % of the CPUs"


def test_a_run_knows_what_was_counted_over_all_of_it(tmp_path: Path, tiny_model: Path) -> None:
    report = run(tmp_path, job(tiny_model))
    assert report.counters
    counted = [trial.counters for trial in report.trials if trial.counters]
    assert report.counters.wall_ns > sum(each.wall_ns for each in counted)
    assert report.counters.process_cpu_ns > sum(each.process_cpu_ns for each in counted)


@pytest.mark.parametrize(
    ("fault", "reason", "words"),
    [
        ("abort", "aborted", "aborted during tg16"),
        pytest.param("segv", "crashed", "SIGSEGV during tg16", marks=pytest.mark.slow),
        ("kill", "killed", "most likely for lack of memory"),
        pytest.param("exit", "worker-error", "exit code 7", marks=pytest.mark.slow),
        ("raise", "worker-error", "a bug in the harness"),
        pytest.param("memory", "out-of-memory", "memory", marks=pytest.mark.slow),
    ],
)
def test_a_dead_worker_leaves_its_finished_trials_and_a_sentence(
    tmp_path: Path, tiny_model: Path, fault: str, reason: str, words: str
) -> None:
    report = run_faulty(tmp_path, tiny_model, fault)
    assert report.outcome.status == "failed"
    assert report.outcome.reason == reason
    assert words in (report.outcome.message or "")
    assert trials(report, "tg16") == [0]


@pytest.mark.slow
def test_a_silent_worker_is_ended(tmp_path: Path, tiny_model: Path) -> None:
    report = run_faulty(tmp_path, tiny_model, "hang", silence_ns=6_000_000_000)
    assert report.outcome.reason == "hung"
    assert "--timeout" in (report.outcome.message or "")
    assert trials(report, "tg16") == [0]


def test_noise_on_fd_1_goes_to_the_log(tmp_path: Path, tiny_model: Path) -> None:
    report = run_faulty(tmp_path, tiny_model, "noise")
    assert report.outcome.status == "ok"
    assert len(trials(report, "tg16")) == N_TRIALS
    log = (tmp_path / "run.log").read_text()
    assert "said a C library on fd 1" in log
    assert "and Python on sys.stdout" in log


def test_a_worker_that_talks_nonsense_is_a_failed_run(tmp_path: Path, tiny_model: Path) -> None:
    report = run(tmp_path, job(tiny_model), command=speaker("not an event"))
    assert report.outcome.reason == "worker-error"
    assert "the worker's message could not be read" in (report.outcome.message or "")


@pytest.mark.parametrize(
    ("workload", "n_ctx", "words"),
    [
        ("tg8@d8192", None, "8200 positions are beyond the 8192"),
        pytest.param(
            "tg16",
            16384,
            "--ctx 16384: 16384 positions are beyond the 8192",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "pp512", 256, "pp512 needs 512 positions, --ctx gives 256", marks=pytest.mark.slow
        ),
    ],
)
def test_a_context_that_does_not_fit_spoils_only_its_workload(
    tmp_path: Path, tiny_model: Path, workload: str, n_ctx: int | None, words: str
) -> None:
    report = run(tmp_path, job(tiny_model, workload, "pp16", n_ctx=n_ctx))
    assert report.outcome.reason == "context-too-large"
    assert next(failure.workload for failure in report.case_failures) == workload
    assert words in report.case_failures[0].message
    if n_ctx != 16384:
        assert trials(report, "pp16") == [0, 1, 2]


def test_settings_that_do_not_go_together_are_explained(tmp_path: Path, tiny_model: Path) -> None:
    report = run(tmp_path, job(tiny_model, flash_attn="off", type_v="q8_0"))
    assert report.outcome.reason == "context-failed"
    assert "flash_attn" in (report.outcome.message or "")
    unknown = run(tmp_path, job(tiny_model, devices=("CUDA7",)))
    assert unknown.outcome.reason == "settings-invalid"
    assert "no device named CUDA7; this engine has CPU" in (unknown.outcome.message or "")


def test_files_that_are_no_models_are_explained(tmp_path: Path, tiny_model: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"GGUF" + bytes(64))
    assert run(tmp_path, job(junk)).outcome.reason in {"model-invalid", "aborted", "crashed"}
    alien = tmp_path / "alien.gguf"
    data = tiny_model.read_bytes()
    assert b"\x05\x00\x00\x00\x00\x00\x00\x00llama" in data
    alien.write_bytes(
        data.replace(b"\x05\x00\x00\x00\x00\x00\x00\x00llama", b"\x05" + bytes(7) + b"alien", 1)
    )
    report = run(tmp_path, job(alien))
    assert report.outcome.reason == "architecture-unknown"
    assert "alien" in (report.outcome.message or "")


def test_the_worker_dies_with_its_parent(tmp_path: Path, tiny_model: Path) -> None:
    work = tmp_path / "job.json"
    work.write_text(job(tiny_model, "sustain60").model_dump_json())
    script = (
        "import sys, pathlib\n"
        "from harness.measure.jobs.measure import MeasureJob\n"
        "from harness.measure.runner import run_worker\n"
        "job = MeasureJob.model_validate_json(pathlib.Path(sys.argv[1]).read_text())\n"
        "run_worker(job, log=pathlib.Path(sys.argv[2]),"
        " on_event=lambda e: print(getattr(e, 'pid', ''), flush=True))\n"
    )
    command = [sys.executable, "-c", script, str(work), str(tmp_path / "run.log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(
        [psutil.Process(pid)] if psutil.pid_exists(pid) else [], timeout=10
    )
    assert not alive


def test_the_engine_describes_itself() -> None:
    info = describe_engine()
    assert info.library_commit
    assert "ggml" in info.library_version
    assert info.system_info


def test_an_engine_that_cannot_be_loaded_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A folder without the library, as after a broken installation.
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", str(tmp_path))
    with pytest.raises(HarnessError, match="llama-cpp-python cannot be loaded"):
        describe_engine()


HELLO = HelloEvent(
    pid=1,
    engine=EngineInfo(
        binding="b",
        binding_version="1",
        library_version="1",
        library_commit="c",
        system_info="",
        supports_gpu_offload=False,
        devices=(),
    ),
)
SCORES = ChunkScores(index=4, n_scored=31, sum_nll=1.0, sum_nll_squared=1.0)


@pytest.mark.parametrize(
    ("job", "events", "activity"),
    [
        (DescribeJob(), [], "while starting"),
        (MEASURE, [HELLO], "while loading the model"),
        (
            MEASURE,
            [
                HELLO,
                ContextEvent(
                    context=ContextFacts(workload="tg16", n_ctx=1, create_ns=1, buffers=())
                ),
            ],
            "during tg16",
        ),
        (PLAN, [HELLO, PlannedModelEvent(tensors={}, n_ctx_train=0)], "while planning a context"),
        (
            QUANTIZE,
            [HELLO, QuantizedTensorEvent(tensor="blk.0.attn_k.weight")],
            "while quantizing blk.0.attn_k.weight",
        ),
        (SCORE, [HELLO, SpilledEvent(index=2)], "after the reference's chunk 3"),
        (SCORE, [HELLO, SpilledEvent(index=2), ChunkEvent(chunk=SCORES)], "after chunk 5"),
    ],
)
def test_a_worker_that_dies_is_told_by_what_it_was_doing(
    tmp_path: Path, job: Job, events: list[Event], activity: str
) -> None:
    command = speaker(*(event.model_dump_json() for event in events))
    report = run_worker(job, log=tmp_path / "run.log", command=command)
    assert report.outcome.message == (
        f"the worker ended with exit code 0 {activity}; its log has the details"
    )


def test_a_worker_of_another_version_is_told_apart_from_a_broken_one(tmp_path: Path) -> None:
    command = speaker(f'{{"event": "hello", "protocol": {VERSION + 1}, "tongue": "unknown"}}')
    report = run_worker(DescribeJob(), log=tmp_path / "run.log", command=command)
    assert report.outcome.reason == "worker-error"
    assert f"version {VERSION + 1} of the protocol and this harness version {VERSION}" in (
        report.outcome.message or ""
    )


def test_the_worker_tells_its_version_to_a_parent_of_another_one(tmp_path: Path) -> None:
    later = Job(job="levitate", protocol=VERSION + 1)
    command = (sys.executable, "-P", "-m", "harness.measure.worker")
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        # Its parent stays: a worker whose line is closed ends, whatever it was about to say.
        worker.stdin.write(later.model_dump_json().encode() + b"\n")
        worker.stdin.flush()
        said = worker.stdout.readline()
    assert json.loads(said) == {"event": "hello", "protocol": VERSION}


def test_nothing_but_the_runner_starts_the_worker() -> None:
    root = Path(harness.__file__).parent
    naming = [
        path.name for path in root.rglob("*.py") if '"harness.measure.worker"' in path.read_text()
    ]
    assert naming == ["runner.py"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
@pytest.mark.parametrize(
    "job",
    [
        PlanFilesJob(model_path=_ODD, file_types=("Q4_0",)),
        QuantizeJob(model_path="m.gguf", file_type="Q4_0", target_path=_ODD),
        TokenizeJob(model_path="m.gguf", text_path=_ODD),
    ],
    ids=lambda job: job.job,
)
def test_a_path_that_is_no_text_is_refused_before_a_worker_starts(job: Job, tmp_path: Path) -> None:
    with pytest.raises(
        HarnessError, match=r"^/ü/b\\xffd is a name that is not UTF-8 .* rename it, or "
    ):
        run_worker(job, log=tmp_path / "log")
    assert not (tmp_path / "log").exists()

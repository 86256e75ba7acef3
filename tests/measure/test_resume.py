"""What may be gone on with, and what must not be judged as one experiment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from make.records import (
    GPU,
    SETTINGS,
    make_end,
    make_experiment,
    make_machine,
    make_model,
    make_run,
    make_runs,
    make_served,
)
from make.served import make_served_experiment, make_served_rounds

from harness.errors import HarnessError, UsageError
from harness.measure import resume as module
from harness.measure.resume import require_unfinished, resume
from harness.measure.subjects import Subjects
from harness.records.store import StoredExperiment, write_whole
from harness.schema.experiment import End, Experiment, Run, Stop
from harness.schema.settings import ServedSettings

INTERRUPTED = Stop(model=make_model().key, settings=SETTINGS, reason="interrupted", n_runs=2)
END = End(finished_at="2026-11-23T18:00:00+00:00", stops=(INTERRUPTED,))
STORED = make_experiment()


def stored(experiment: Experiment = STORED, **facts: Any) -> StoredExperiment:
    usual: dict[str, Any] = {"path": Path("x"), "experiment": experiment, "runs": (), "end": END}
    return StoredExperiment(**usual | facts)


def test_what_was_interrupted_or_cut_short_can_go_on() -> None:
    require_unfinished(stored())
    require_unfinished(stored(end=None, runs=tuple(make_runs(2)), n_torn=1))
    require_unfinished(
        stored(end=END.model_copy(update={"stops": (*make_end().stops, INTERRUPTED)}))
    )


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"end": make_end()}, "came to its end"),
        ({"end": END.model_copy(update={"stops": ()})}, "came to its end"),
        ({"experiment": make_experiment(models=(make_model(is_twin=True),))}, "twins"),
        ({"experiment": STORED.model_copy(update={"origin": "llama-bench"})}, "imported"),
        ({"schema": 5}, "schema 5"),
        ({"runs": (make_run(model="other"),)}, "does not know"),
    ],
)
def test_what_cannot_go_on_is_refused_with_a_sentence(facts: dict[str, Any], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        require_unfinished(stored(**facts))


def _with_engine(**changes: Any) -> Callable[[Experiment], Experiment]:
    def changed(experiment: Experiment) -> Experiment:
        engine = experiment.provenance.engine.model_copy(update=changes)
        provenance = experiment.provenance.model_copy(update={"engine": engine})
        return experiment.model_copy(update={"provenance": provenance})

    return changed


def _with_machine(**changes: Any) -> Callable[[Experiment], Experiment]:
    return lambda experiment: experiment.model_copy(update={"machine": make_machine(**changes)})


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (_with_machine(id="other", cpu="M4"), r"machine was 3f2a91c04d \(AMD EPYC\) and is other"),
        (_with_machine(n_cores_usable=1), "usable cores was 2 and is 1"),
        (
            _with_machine(memory_limit_bytes=1 << 30),
            "memory limit in bytes was None and is 1073741824",
        ),
        (_with_engine(library_commit="fedcba9"), r"engine was .*0123abc\) and is .*fedcba9\)"),
        (
            _with_engine(system_info="CPU : AVX2 = 1"),
            "build was CPU : AVX512 = 1 and is CPU : AVX2",
        ),
        (_with_engine(devices=(GPU,)), r"devices was CPU \(AMD EPYC\) and is CUDA0 \(RTX\)"),
    ],
)
def test_another_machine_or_engine_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: Callable[[Experiment], Experiment],
    named: str,
) -> None:
    assert _refusal(tmp_path, monkeypatch, changed(STORED), make_model().sha256, named)


def test_another_file_of_the_same_name_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = "file of smollm2-135m:Q4_1 had sha256 b1b1b1b1b1b1 and has c2c2c2c2c2c2"
    assert _refusal(tmp_path, monkeypatch, STORED, "c2" * 32, named)
    assert _refusal(tmp_path, monkeypatch, STORED, None, "and has unknown")


def _refusal(
    folder: Path, monkeypatch: pytest.MonkeyPatch, here: Experiment, sha256: str | None, named: str
) -> bool:
    """Whether going on is refused, and the record is as it was."""
    runs: list[Run] = make_runs(2)
    path = write_whole(folder, STORED, runs, END)
    before = path.read_bytes()
    monkeypatch.setattr(module, "new_experiment", lambda *_: here)
    model = make_model(sha256=sha256)
    observer: Any = None
    with pytest.raises(HarnessError, match=named) as error:
        resume(path, Subjects((model,), {model.key: Path("x")}), observer)
    assert "\n" not in str(error.value)
    return path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"version": "b2"}, "the server of .* was llama-server b11549 and is llama-server b2"),
        ({"server": "ollama"}, "the server of .* was llama-server b11549 and is ollama b11549"),
        ({"model": "other"}, "name of the model of .* was smollm2 and is other"),
        (
            {"settings": ServedSettings(n_ctx=2048, n_slots=4)},
            "setting of .* was ctx 4096, slots 4 and is ctx 2048, slots 4",
        ),
        ({"quantization": "Q8_0"}, "the quantization of .* was Q4_1 and is Q8_0"),
        ({"sha256": "c2" * 32}, "the file of .* had sha256 b1b1b1b1b1b1 and has c2c2c2c2c2c2"),
        ({"sha256": None}, "had sha256 b1b1b1b1b1b1 and has unknown"),
    ],
)
def test_what_a_server_tells_otherwise_than_before_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], named: str
) -> None:
    before = make_served(sha256="b1" * 32, quantization="Q4_1")
    own: dict[str, Any] = {
        name: changes[name] for name in ("quantization", "sha256") if name in changes
    }
    of_server = {name: value for name, value in changes.items() if name not in own}
    served = before.served.model_copy(update=of_server)
    now = before.model_copy(update={**own, "served": served})
    stored = make_served_experiment(before)
    path = write_whole(tmp_path, stored, make_served_rounds(stored, 2), END)
    kept = path.read_bytes()
    monkeypatch.setattr(module, "new_experiment", lambda *_: stored)
    observer: Any = None
    with pytest.raises(HarnessError, match=named):
        resume(path, Subjects((now,), {}), observer)
    assert path.read_bytes() == kept

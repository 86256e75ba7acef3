from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from analysis.speed.test_calibration import ENGINE, calibrated
from make.records import CPU, GPU, make_machine

from harness.analysis.speed.calibration import Calibration
from harness.errors import HarnessError, MachineBusy
from harness.machine.probe import probe_machine
from harness.measure import calibrate as calibrating
from harness.measure.calibrate import calibrate
from harness.models.gguf.header import read_header
from harness.models.gguf.work import work_of
from harness.models.twin.calibration_models import (
    CalibrationModel,
    calibration_models,
    gpu_calibration_models,
    write_calibration_model,
)

SMALL = CalibrationModel("Q8_0 small", "Q8_0", 2, 256, 256, "Q6_K")
EXPERTS = CalibrationModel("experts", "Q4_K", 2, 256, 256, "Q4_K", 4, 2)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    return tmp_path


def forgiving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests run beside these: nothing counts as disturbed."""
    monkeypatch.setattr("harness.analysis.disturbance.why_disturbed", lambda *_, **__: None)


def test_every_model_is_larger_than_the_cache_and_all_types_differ() -> None:
    models = calibration_models(32 << 20)
    assert all(4 * (32 << 20) < model.n_bytes < 500_000_000 for model in models)
    assert Counter(model.type_name for model in models if " " not in model.name) == Counter(
        {"Q4_K", "Q4_0", "Q6_K", "Q5_K", "F16", "MXFP4", "IQ4_XS", "IQ4_NL", "Q3_K", "Q2_K",
         "Q4_1", "Q5_0", "Q5_1", "IQ3_S", "BF16"}
    )  # fmt: skip
    assert models[0].n_bytes == models[-1].n_bytes
    larger = calibration_models(64 << 20)
    assert all(model.n_bytes > 4 * (64 << 20) for model in larger)


def test_a_gpus_models_grow_with_its_memory_and_have_the_proportions_of_large_ones() -> None:
    names = [[model.name for model in gpu_calibration_models(gb << 30)] for gb in (8, 24, 80)]
    assert names[0] == names[1] == names[2]
    assert {model.type_name for model in gpu_calibration_models(None)} == {
        model.type_name for model in calibration_models(None)
    }
    for n_gb, least, most in ((8, 0.35e9, 1.1e9), (24, 0.35e9, 1.1e9), (80, 0.9e9, 2.2e9)):
        *models, tiny, _ = gpu_calibration_models(n_gb << 30)
        assert tiny.n_bytes < 10**7
        for model in models:
            assert least < model.n_bytes < most
            assert model.n_bytes < (n_gb << 30) / 4
            if " " not in model.name:
                assert model.n_ff < 4.1 * model.n_embd


@pytest.mark.parametrize(("kind", "is_on_gpu"), [("gpu", True), ("igpu", True), ("accel", False)])
def test_a_gpu_is_calibrated_with_models_and_workloads_of_its_own(
    kind: Any, is_on_gpu: bool
) -> None:
    device = GPU.model_copy(update={"kind": kind})
    engine = ENGINE.model_copy(update={"devices": (CPU, device)})
    models = calibrating._models(make_machine(), engine)
    on_gpu = gpu_calibration_models(device.total_bytes)
    assert (models == on_gpu) == is_on_gpu
    asked = {model.name: calibrating._gpu_workloads(model) for model in on_gpu}
    assert "tg64@d4096" in asked["Q8_0 deep"]
    assert asked["MXFP4 deep experts"] == ("tg128", "pp512")


TYPES = sorted({model.type_name for model in calibration_models(None)})
QUICK_TYPES = ("MXFP4", "Q4_K")


@pytest.mark.parametrize(
    "type_name",
    [pytest.param(name, marks=() if name in QUICK_TYPES else pytest.mark.slow) for name in TYPES],
)
def test_a_model_of_any_type_decodes_and_prefills(
    type_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgiving(monkeypatch)
    model = CalibrationModel(type_name, type_name, 1, 256, 256, type_name)
    made = calibrate(probe_machine(), ENGINE, 1, models=(model,))
    assert [sample.workload for sample in made.samples] == ["tg32", "pp256"]
    assert all(sample.tok_per_s > 0 for sample in made.samples)


@pytest.mark.slow
def test_calibrating_measures_each_model_and_leaves_nothing_behind(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgiving(monkeypatch)
    told: list[tuple[int, int, str]] = []
    made = calibrate(
        probe_machine(), ENGINE, 1, lambda *progress: told.append(progress), (SMALL, EXPERTS)
    )
    assert told == [(0, 2, "Q8_0 small"), (1, 2, "experts")]
    assert [(s.name, s.workload) for s in made.samples] == [
        ("Q8_0 small", "tg32"), ("Q8_0 small", "pp256"), ("experts", "tg64"), ("experts", "pp512"),
    ]  # fmt: skip
    assert made.samples[2].work.is_mixture
    assert (made.engine_commit, made.n_threads, made.has_gpu) == ("0123abc", 1, False)
    assert list(cache.iterdir()) == []


def test_what_is_written_is_what_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_calibration_model(SMALL, path)
    data = path.read_bytes()
    work = work_of([read_header(io.BytesIO(data), len(data), "m")])
    matrices = work.weights_bytes - sum(
        n_bytes for name, n_bytes in work.type_read_bytes.items() if name == "F32"
    )
    assert matrices == SMALL.n_bytes
    last_feed_forward = 3 * SMALL.n_embd * SMALL.n_ff
    assert work.n_params_multiplied == SMALL.n_params - 2 * 4096 * 256 - last_feed_forward
    assert set(work.type_params) == {"Q8_0", "Q6_K"}


@pytest.mark.slow
def test_a_busy_machine_is_not_calibrated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Counter[str]()

    def busy(*_: Any, **__: Any) -> str:
        asked["trials"] += 1
        return "others took 34 % of the CPUs"

    monkeypatch.setattr("harness.analysis.disturbance.why_disturbed", busy)
    with pytest.raises(MachineBusy, match=r"others took 34 % of the CPUs while Q8_0 small"):
        calibrate(probe_machine(), ENGINE, 1, models=(SMALL,))
    assert asked["trials"] >= 3
    assert list(cache.iterdir()) == []


def test_a_machine_that_changes_meanwhile_is_not_calibrated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, *rest = calibrated().samples
    wide = first.model_copy(update={"name": "Q8_0 wide", "workload": "tg32", "tok_per_s": 100.0})
    again = wide.model_copy(update={"name": "Q8_0 again", "tok_per_s": 60.0})
    with pytest.raises(MachineBusy, match=r"100\.0 tok/s and a minute later at 60\.0"):
        calibrating._check_drift([wide, *rest, again])
    calibrating._check_drift([wide, again.model_copy(update={"tok_per_s": 90.0})])


def test_too_little_memory_is_said_before_anything_is_written(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibrating, "available_memory_bytes", lambda: 1 << 20)
    with pytest.raises(HarnessError, match=r"of memory and 1\.00 MiB are free"):
        calibrate(probe_machine(), ENGINE, 1, models=(SMALL,))
    assert list(cache.iterdir()) == []


def test_a_model_that_the_engine_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_nonsense(model: CalibrationModel, path: Path) -> None:
        write_calibration_model(model, path)
        data = bytearray(path.read_bytes())
        place = data.index(b"llama.feed_forward_length")
        data[place : place + 5] = b"xxxxx"
        path.write_bytes(data)

    monkeypatch.setattr(calibrating, "write_calibration_model", write_nonsense)
    with pytest.raises(HarnessError, match="Q8_0 small could not be measured"):
        calibrate(probe_machine(), ENGINE, 1, models=(SMALL,))


def test_a_calibration_survives_its_json() -> None:
    made = calibrated()
    assert Calibration.model_validate_json(made.model_dump_json()) == made

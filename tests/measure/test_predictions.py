from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from make.other_kinds import decoder
from make.records import make_experiment, make_machine
from make.small_models import odd_rows, write_small_model

from harness.analysis.device_memory import MemoryCapacity
from harness.measure import predictions
from harness.measure.predictions import predict
from harness.models.find import local_model
from harness.schema.settings import NGRAM, Settings


def refusals(path: Path, *settings: dict[str, Any]) -> tuple[str, ...]:
    model = local_model(path, "odd")
    asked = tuple(Settings(n_threads=1, **each) for each in settings)
    made = make_experiment(("tg8",), models=(model.file,), settings=asked, machine=make_machine())
    return predict(made, {model.key: path}).refusals


@pytest.mark.slow
def test_settings_that_the_engine_refuses_for_this_model_are_named(tmp_path: Path) -> None:
    odd = write_small_model(tmp_path / "odd.gguf", odd_rows("F16"))

    (why,) = refusals(odd, {}, {"type_k": "q4_0"}, {"type_k": "q8_0"})

    assert why.startswith("odd with threads 1, cache-type-k q4_0: ")
    assert "does not divide" in why
    assert refusals(odd, {}, {"type_k": "bf16"}) == ()


def test_a_model_that_the_engine_refuses_anyway_is_left_to_the_worker(
    tmp_path: Path, tiny_model: Path
) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_model.read_bytes()[:-100])

    made = make_experiment(("tg8",), machine=make_machine())

    assert predict(made, {made.plan.models[0].key: cut}).refusals == ()


@pytest.mark.parametrize(("mib", "fit"), [(60, False), (100, False), (140, True)])
def test_whether_all_sides_go_into_memory_together_is_planned(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, mib: int, *, fit: bool
) -> None:
    # A worker with tiny-random takes 64 MiB and 2; so one fits beside 70 MiB, and two do not.
    capacity = MemoryCapacity(free_bytes=mib << 20, total_bytes=1 << 40)
    monkeypatch.setattr(predictions, "capacity_here", lambda *_: capacity)
    model = local_model(tiny_model, "m")
    settings = tuple(Settings(n_threads=n) for n in (1, 2))
    made = make_experiment(
        ("tg8",), models=(model.file,), settings=settings, machine=make_machine()
    )

    why = predict(made, {"m": tiny_model}).why_apart

    assert (why is None) == fit
    if why:
        assert why.startswith("together they need 13")
        assert f"{mib}" in why.split(" and ")[1]


def test_one_side_needs_no_room_beside_it(tiny_model: Path) -> None:
    model = local_model(tiny_model, "m")
    made = make_experiment(("tg8",), models=(model.file,), machine=make_machine())
    assert predict(made, {"m": tiny_model}).why_apart is None


def test_what_cannot_be_planned_is_measured_apart(tmp_path: Path, tiny_model: Path) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(tiny_model.read_bytes()[:100])
    settings = tuple(Settings(n_threads=n) for n in (1, 2))
    made = make_experiment(("tg8",), settings=settings, machine=make_machine())
    why = predict(made, {made.plan.models[0].key: cut}).why_apart
    assert why == "what they need together cannot be planned"


def test_what_guesses_is_planned_beside_its_model_and_no_speed_is_said_of_it(
    tiny_model: Path, tmp_path: Path
) -> None:
    model = local_model(tiny_model, "m")
    small = decoder("small", "generates", "llama").write(tmp_path)
    draft = local_model(small, "small")
    plain = Settings(n_threads=1)
    guessing = (
        plain.model_copy(update={"draft": NGRAM, "draft_max": 2}),
        plain.model_copy(update={"draft": "small", "draft_max": 2}),
    )
    made = make_experiment(
        ("story", "tg8"),
        models=(model.file,),
        drafts=(draft.file,),
        settings=(plain, *guessing),
        machine=make_machine(),
    )

    found = predict(made, {"m": tiny_model, "small": small}).experiment.predictions

    told = {(it.settings_index, it.workload, it.component): it.value for it in found}
    assert {index for index, workload, _ in told if workload == "tg8"} == {0}
    for component in ("weights_bytes", "kv_bytes", "compute_bytes"):
        alone, by_ngram, by_model = (told[index, "story", component] for index in range(3))
        assert alone == by_ngram < by_model
    assert told[2, "story", "weights_bytes"] - told[0, "story", "weights_bytes"] >= (
        draft.file.weights_bytes
    )
    assert not any(component == "tok_per_s" for index, _, component in told if index)

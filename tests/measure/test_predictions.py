from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from make.records import make_experiment, make_machine
from make.small_models import odd_rows, write_small_model

from harness.measure.predictions import predict
from harness.models.find import local_model
from harness.schema.settings import Settings


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

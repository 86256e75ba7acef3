from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from make.records import CPU, GPU, make_experiment, make_model, make_served
from make.settings import SETTINGS

from harness.analysis.impossible import (
    asks_for_devices,
    impossible_for_engine,
    impossible_for_kind,
    impossible_for_model,
    impossible_for_server,
    impossible_options,
    impossible_threads,
)
from harness.schema.experiment import EngineInfo
from harness.schema.machine import Device
from harness.schema.settings import Settings

SECOND = GPU.model_copy(update={"name": "CUDA1"})


def engine(*devices: Device) -> EngineInfo:
    return make_experiment().provenance.engine.model_copy(update={"devices": devices})


def of(**changes: Any) -> Settings:
    return Settings(n_threads=2, **changes)


@pytest.mark.parametrize(
    ("changes", "workload", "words"),
    [
        ({"n_ctx": 4}, "pp512", "pp512 needs 512 positions, --ctx gives 4"),
        ({"n_ctx": 4096}, "tg1@d4096", "tg1@d4096 needs 4097 positions, --ctx gives 4096"),
        ({"n_ctx": 255}, "chat", "chat needs 256 positions"),
        ({"n_ctx": 511}, "sustain60", "sustain60 needs 512 positions"),
        ({"flash_attn": "off", "type_v": "q8_0"}, "tg8", "--cache-type-v q8_0 needs flash"),
        ({"n_batch": 32, "n_ubatch": 64}, "tg8", "--ubatch-size 64 has no effect"),
        ({"n_ctx": 511}, "tg128x4", "tg128x4 needs 512 positions, --ctx gives 511"),
        ({"n_batch": 32}, "pp8x33", "pp8x33: 33 sequences are more than --batch-size 32 takes"),
    ],
)
def test_what_no_model_can_do_is_named_with_its_option(
    changes: dict[str, Any], workload: str, words: str
) -> None:
    (why,) = impossible_options([of(), of(**changes)], (workload,))
    assert words in why


@pytest.mark.parametrize(
    ("changes", "workload"),
    [
        ({"n_ctx": 512}, "pp512"),
        ({"n_ctx": 256}, "chat"),
        ({"flash_attn": "auto", "type_v": "q8_0"}, "tg8"),
        ({"flash_attn": "off", "type_k": "q8_0"}, "tg8"),
        ({"flash_attn": "off", "type_v": "bf16"}, "tg8"),
        ({"n_batch": 32}, "tg8"),
        ({"n_batch": 32}, "tg8x32"),
        ({"n_ctx": 512}, "tg128x4"),
        ({}, "tg8x256"),
    ],
)
def test_what_can_be_is_not_refused(changes: dict[str, Any], workload: str) -> None:
    assert not [*impossible_options([of(**changes)], (workload,))]


@pytest.mark.parametrize(
    ("changes", "workload", "words"),
    [
        ({"n_ctx": 9000}, "tg8", "--ctx 9000: 9000 positions are beyond the 8192"),
        ({"n_ctx": 9000}, None, "--ctx 9000: 9000 positions are beyond the 8192"),
        ({}, "tg8@d8192", "tg8@d8192: 8200 positions are beyond the 8192"),
        ({}, "tg8x4@d8192", "8200 positions of each of 4 sequences are beyond the 8192"),
        ({"n_ctx": 33_000}, "tg8x4", "--ctx 33000: 33000 positions are beyond the 8192"),
        ({"n_cpu_moe": 3}, "tg8", "--cpu-moe 3 has no effect: the model has no experts"),
    ],
)
def test_what_a_header_rules_out_is_said(
    changes: dict[str, Any], workload: str | None, words: str
) -> None:
    names = (workload,) if workload else ()
    (why,) = impossible_for_model([of(**changes)], names, make_model())
    assert words in why


def test_several_sequences_may_have_together_what_one_may_not() -> None:
    settings = [of(n_ctx=32_768)]
    assert not list(impossible_for_model(settings, ("tg8x4",), make_model()))
    (why,) = impossible_for_model(settings, ("tg8x4", "tg8x3"), make_model())
    assert "10922 positions for each of 3 sequences are beyond the 8192" in why


@pytest.mark.parametrize("workload", ["pp8x257", "tg8x9999"])
def test_more_sequences_than_the_engine_takes_are_refused(workload: str) -> None:
    (why,) = impossible_options([of()], (workload,))
    assert "sequences are more than the 256 that the engine takes together" in why


def test_a_header_that_does_not_say_rules_nothing_out() -> None:
    model = make_model(n_ctx_train=None, n_expert=8)
    settings = [of(n_ctx=100_000, n_cpu_moe=3)]
    assert not [*impossible_for_model(settings, ("tg8@d99991", "chat"), model)]


@pytest.mark.parametrize(
    ("several", "words"),
    [
        ([of(n_gpu_layers=20)], "--gpu-layers 20 has no effect: this engine has no GPU, only CPU"),
        ([of(n_gpu_layers=0), of()], "--gpu-layers 0,-1 has no effect"),
        ([of(n_cpu_moe=1), of(n_cpu_moe=2)], "--cpu-moe 1,2 has no effect"),
        ([of(main_gpu=1)], "--main-gpu 1 has no effect"),
        ([of(tensor_split=(3.0, 1.0))], "--tensor-split 3/1 has no effect"),
        ([of(split_mode="row")], "--split-mode row has no effect"),
        ([of(devices=("cuda0",))], "no device named cuda0; this engine has CPU"),
    ],
)
def test_what_is_about_a_gpu_is_refused_without_one(several: list[Settings], words: str) -> None:
    assert asks_for_devices(several)
    (why,) = impossible_for_engine(several, engine(CPU))
    assert words in why


def test_no_layer_on_a_gpu_is_what_an_engine_without_one_does() -> None:
    assert not [*impossible_for_engine([of(n_gpu_layers=0)], engine(CPU))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"main_gpu": 2}, "--main-gpu 2: 2 GPUs are used"),
        ({"main_gpu": 1, "devices": ("CUDA1",)}, "--main-gpu 1: 1 GPUs are used"),
        ({"tensor_split": (1.0, 1.0, 1.0)}, "--tensor-split 1/1/1 has more shares than the 2"),
        ({"devices": ("CUDA0", "CUDA7")}, "no device named CUDA7; this engine has CUDA0, CUDA1"),
    ],
)
def test_gpus_that_are_not_there_are_refused(changes: dict[str, Any], words: str) -> None:
    (why,) = impossible_for_engine([of(**changes)], engine(GPU, SECOND, CPU))
    assert words in why


@given(SETTINGS)
def test_an_engine_is_only_asked_where_it_can_object(settings: Settings) -> None:
    if not asks_for_devices([settings]):
        for devices in ((CPU,), (GPU, SECOND, CPU)):
            assert not [*impossible_for_engine([settings], engine(*devices))]


def test_what_a_model_that_does_not_write_lacks_is_named() -> None:
    encoder = make_model(key="m", architecture="bert")
    (why,) = impossible_for_kind([of()], ("pp64", "tg8", "chat"), encoder)
    assert why.startswith("m is an embedding model, which reads a text at once and writes none")
    assert "it cannot be measured in tg8, chat" in why
    (why,) = impossible_for_kind([of()], ("pp64", "pp64x2"), encoder)
    assert "it cannot be measured in pp64x2" in why
    assert not list(impossible_for_kind([of()], ("pp64", "tg8", "chat"), make_model()))
    assert not list(impossible_for_kind([of()], (), encoder))


def test_a_text_that_is_read_at_once_is_no_longer_than_a_micro_batch() -> None:
    encoder = make_model(key="m", architecture="bert")
    (why,) = impossible_for_kind([of(), of(n_ubatch=256)], (), encoder)
    assert "pp512 needs --ubatch-size 512" in why
    assert not list(impossible_for_kind([of(n_ubatch=256)], ("pp256",), encoder))
    assert not list(impossible_for_kind([of(n_ubatch=256)], ("pp512",), make_model()))


def test_of_a_part_of_another_model_nothing_is_measured() -> None:
    (why,) = impossible_for_kind([of()], ("pp64",), make_model(key="m", architecture="eagle3"))
    assert "m is a draft head" in why
    assert "nothing of it can be measured alone" in why


@pytest.mark.parametrize(
    ("n_threads", "n_logical", "is_refused"),
    [
        (16, 1, False),
        (17, 2, True),
        (128, 32, False),
        (129, 32, True),
        (512, 256, False),
        (513, 256, True),
    ],
)
def test_threads_that_would_only_wait_for_each_other_are_refused(
    n_threads: int, n_logical: int, is_refused: bool
) -> None:
    told = list(impossible_threads([Settings(n_threads=n_threads)], n_logical))
    assert bool(told) == is_refused


@pytest.mark.parametrize(
    ("workload", "n_needed"),
    [
        ("pp4000+tg96", None),
        ("pp4000+tg97", 4097),
        ("pp4096+tg128x4", 4224),
        ("chat", None),
        ("chatx8", None),
        ("turns8", None),
        ("turns8:4000+200+50", 4250),
        ("tg128@d8192", None),  # is not asked of a server
    ],
)
def test_a_server_answers_no_request_that_is_longer_than_its_context(
    workload: str, n_needed: int | None
) -> None:
    found = [*impossible_for_server([workload], make_served())]
    assert len(found) == (n_needed is not None)
    assert all(f"needs {n_needed} positions" in text for text in found)
    unknown = make_served()
    settings = unknown.served.settings.model_copy(update={"n_ctx": None})
    served = unknown.served.model_copy(update={"settings": settings})
    assert not [*impossible_for_server([workload], unknown.model_copy(update={"served": served}))]

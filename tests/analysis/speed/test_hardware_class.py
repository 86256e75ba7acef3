from __future__ import annotations

import pytest
from make.records import make_machine
from make.work import make_work

from harness.analysis.speed.chips import CHIPS
from harness.analysis.speed.class_rates import class_rates
from harness.analysis.speed.hardware_class import (
    chip_named,
    chip_of,
    cpu_speed,
    speed_of_chip,
    speed_of_gpu,
)
from harness.analysis.speed.predict import predict_speed
from harness.schema.machine import Accelerator
from harness.schema.prediction import Prediction, Refusal
from harness.schema.settings import Settings
from harness.schema.workload import parse_workload


def card(name: str, vendor: str = "NVIDIA", **more: int) -> Accelerator:
    return Accelerator(name=name, vendor=vendor, **more)


@pytest.mark.parametrize(
    ("name", "chip"),
    [
        ("NVIDIA GeForce RTX 3090", "RTX 3090"),
        ("NVIDIA GeForce RTX 3080 Ti", "RTX 3080 Ti"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "RTX PRO 6000"),
        ("NVIDIA GB10", "GB10"),
        ("AMD Radeon RX 7900 XTX", "RX 7900 XTX"),
        ("AMD Radeon AI PRO R9700", "R9700"),
        ("M2 Ultra 76c", "M2 Ultra 76c"),
        ("NVIDIA GeForce RTX 4090 Laptop GPU", None),
        ("NVIDIA GeForce RTX 3060 Ti", None),
        ("NVIDIA H200", None),
    ],
)
def test_a_chip_is_known_by_its_drivers_name(name: str, chip: str | None) -> None:
    found = chip_named(name)
    assert (found and found.name) == chip


def test_a_mac_is_known_by_its_chip_and_its_gpus_cores() -> None:
    mac = make_machine(
        cpu="Apple M3 Max", accelerators=(card("Apple M3 Max", "Apple", n_cores=30),)
    )
    chip = chip_of(mac)
    assert chip
    assert (chip.bandwidth_bytes_per_s, chip.kind) == (300e9, "apple-max")
    unknown = make_machine(cpu="Apple M9", accelerators=(card("Apple M9", "Apple", n_cores=12),))
    assert chip_of(unknown) is None


def test_of_several_cards_none_is_the_machines() -> None:
    one = card("NVIDIA GeForce RTX 3090", memory_bytes=24 << 30)
    assert chip_of(make_machine(accelerators=(one,))) == CHIPS["RTX 3090"]
    assert chip_of(make_machine(accelerators=(one, one))) is None
    beside = make_machine(accelerators=(card("Intel GPU 0x4680", "Intel"), one))
    assert chip_of(beside) == CHIPS["RTX 3090"]


def test_without_a_gpu_the_measured_bandwidth_gives_a_range() -> None:
    speed = cpu_speed(30e9)
    (answer,) = predict_speed(
        make_work(), speed, parse_workload("tg128"), "m", Settings(n_threads=2)
    )
    assert isinstance(answer, Refusal)
    assert answer.low is not None
    assert answer.high is not None
    assert 1 < answer.low < answer.high < 30e9 / 1.1e9 * 2


def test_an_unknown_gpu_gives_nothing() -> None:
    machine = make_machine(accelerators=(card("NVIDIA H200"),))
    assert speed_of_gpu(machine) is None


@pytest.mark.parametrize("name", sorted(CHIPS))
def test_no_chip_reads_faster_than_its_memory(name: str) -> None:
    chip = CHIPS[name]
    speed = speed_of_chip(chip)
    assert speed.decode.weights_bytes_per_s < chip.bandwidth_bytes_per_s
    (answer,) = predict_speed(
        make_work(), speed, parse_workload("tg128"), "m", Settings(n_threads=2)
    )
    bound = chip.bandwidth_bytes_per_s / make_work().token_read_bytes
    assert isinstance(answer, Refusal if chip.kind == "amd" else Prediction)
    if isinstance(answer, Prediction):
        assert bound / 6 < answer.value < bound


def test_every_class_and_family_of_the_table_has_its_parameters() -> None:
    assert {chip.kind for chip in CHIPS.values()} | {"cpu"} == set(class_rates().decode)
    assert {chip.family for chip in CHIPS.values()} == set(class_rates().prefill)
    assert cpu_speed(30e9).prefill is None


def test_a_published_result_lies_in_its_interval() -> None:
    # LLaMA-2-7B Q4_0 on an M2 Ultra with 76 cores: 94.27 tok/s (llama.cpp discussion #4167).
    work = make_work(
        weights_bytes=3_830_000_000,
        token_read_bytes=3_752_000_000,
        type_read_bytes={"Q4_0": 3_752_000_000},
        n_blocks=32,
        attention=(),
    )
    (answer,) = predict_speed(
        work,
        speed_of_chip(CHIPS["M2 Ultra 76c"]),
        parse_workload("tg128"),
        "m",
        Settings(n_threads=2),
    )
    assert isinstance(answer, Prediction)
    assert answer.low < 94.27 < answer.high

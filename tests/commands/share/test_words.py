"""What is left of a text: names of products and numbers, and nothing that a person typed."""

from __future__ import annotations

import pytest
from gguf.constants import MODEL_ARCH_NAMES

from harness.analysis.speed.chips import CHIPS
from harness.commands.share import words
from harness.commands.share.warning import without_names
from harness.models.catalog.catalog import shipped_catalog


@pytest.mark.parametrize(
    "name",
    [
        "Intel(R) Xeon(R) Processor",
        "AMD Ryzen 7 7800X3D 8-Core Processor",
        "AMD RYZEN AI MAX+ 395 w/ Radeon 8060S",
        "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz",
        "Apple M2 Ultra",
        "Cortex-A76",
        "Snapdragon(R) X Elite - X1E80100 - Qualcomm(R) Oryon(TM) CPU",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA A100-SXM4-80GB",
        "NVIDIA GB10",
        "MacBookPro18,3",
        "LENOVO ThinkPad T14 Gen 3",
        *(f"NVIDIA {name}" for name, chip in CHIPS.items() if chip.kind.startswith("nvidia")),
    ],
)
def test_the_name_of_a_product_stays(name: str) -> None:
    assert words.hardware(name.replace(" w/ ", " with ")) == name.replace(" w/ ", " with ")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Alices-Laptop Intel(R) Core(TM) i7", "Intel(R) Core(TM) i7"),
        ("RTX 4090 of Bob", "RTX 4090"),
        ("/home/alice/cpu", "unnamed"),
        ("alice@example.org", "unnamed"),
        ("A100-alice", "A100"),
        ("", "unnamed"),
        ("PF3ABCDE7XYZ", "unnamed"),
    ],
)
def test_what_is_no_product_is_dropped_from_its_name(text: str, left: str) -> None:
    assert words.hardware(text) == left


def test_a_system_keeps_its_numbers_and_loses_what_somebody_called_a_kernel() -> None:
    told = "Debian GNU/Linux 12 (bookworm), kernel 6.18.44-alice-v657"
    assert words.system_version(told) == "Debian GNU/Linux 12 (bookworm), kernel 6.18.44"
    assert words.system_version("15.5 (24F74)") == "15.5 (24F74)"
    assert words.system_version("11 24H2 (26100.9445)") == "11 24H2 (26100.9445)"
    assert words.system_version("alice") == words.OTHER


def test_a_remote_device_loses_its_address() -> None:
    assert words.device("RPC0[192.168.0.7:50052]") == "RPC0"
    assert words.device("CUDA0") == "CUDA0"
    assert words.device("CPU_Mapped") == "CPU_Mapped"
    assert words.device("alice") is None


def test_features_are_those_that_engines_have() -> None:
    told = "CPU : SSE3 = 1 | AVX512 = 1 | ALICE = 1 | REPACK = 1"
    assert words.features(told) == "SSE3 = 1 | AVX512 = 1 | REPACK = 1"
    assert words.features("backends: MTL,BLAS,alice") == "backends: MTL,BLAS"


def test_the_version_of_a_server_is_kept_and_that_it_tells_none() -> None:
    for known in ("b11549-0c1e570", "7948 (0c1e570)", "xllamacpp 2026.10.11549", "0.32.0"):
        assert words.version(known) == known
    assert words.version("of unknown version") == "of unknown version"
    for other in ("b11549-alices-fork", "7948 (alice)", "alice 2026.10.1", "xllamacpp"):
        assert words.version(other) == words.OTHER


def test_versions_and_commits_are_kept_where_they_are_some() -> None:
    assert words.software("llama 0.5.0-dev, ggml 0.25.3") == "llama 0.5.0-dev, ggml 0.25.3"
    assert words.software("llama.cpp build 7948") == "llama.cpp build 7948"
    assert words.version("0.3.36") == "0.3.36"
    assert words.version("0.3.36+alice") == words.OTHER
    assert words.commit("0c1e570-dirty") == "0c1e570-dirty"
    assert words.commit("alice") == words.OTHER


def test_the_harness_knows_the_architectures_that_its_catalogue_and_gguf_name() -> None:
    catalogue = {spec.architecture for spec in shipped_catalog().models if spec.architecture}
    known = {name for name in MODEL_ARCH_NAMES.values() if name != "mmproj"}
    assert {name for name in catalogue | known if words.architecture(name) != name} == set()


def test_power_modes_and_machines_in_machines_stay_as_systems_call_them() -> None:
    for text in (
        "intel_pstate powersave, preference balance_performance, profile balanced, turbo off",
        "Balanced plan, best performance mode",
        "low power",
    ):
        assert words.power(text) == text
    assert words.power("Alices plan") == "plan"
    assert words.virtualization("docker in kvm") == "docker in kvm"


@pytest.mark.parametrize(
    ("told", "left"),
    [
        (
            "Other processes use the CPU, in percent of a core: alice-backup (38 %), python (28 %) "
            "and 5 more. Stop them or wait for them to end.",
            "Other processes use the CPU, in percent of a core: 38 %, 28 % and 5 more.",
        ),
        (
            "The machine runs on battery, which slows most laptops: plug it in.",
            "The machine runs on battery.",
        ),
        (
            "Only 1.20 GiB of 15.5 GiB memory are free: close what you do not need.",
            "Only 1.20 GiB of 15.5 GiB memory are free.",
        ),
        (
            "Only 2 of 8 cores may be used (the group alice's quota): raise the limit.",
            "Only 2 of 8 cores may be used.",
        ),
        ("Something about alice.", None),
    ],
)
def test_a_warning_keeps_its_subject(told: str, left: str | None) -> None:
    assert without_names(told) == left

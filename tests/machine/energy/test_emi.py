"""machine/energy/emi.py on the bytes that Windows' energy meters answer with."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine.energy.emi import (
    GET_MEASUREMENT,
    GET_METADATA,
    GET_METADATA_SIZE,
    GET_VERSION,
    Control,
    channel_kind,
    open_emi,
    parse_channels,
    parse_measurements,
)
from harness.machine.energy.emi_native import parse_paths
from harness.machine.energy.meter import SourceMissing

INTEL = ("RAPL_Package0_PKG", "RAPL_Package0_PP0", "RAPL_Package0_PP1", "RAPL_Package0_DRAM")
# EMI_METADATA_V2 of one channel, written out by hand: 32 bytes each for maker and model, revision
# 3, one channel; its unit, the 12 bytes of its name, and the name.
RECORDED_V2 = (
    b"M\0S\0" + bytes(28) + b"R\0" + bytes(30) + b"\x03\x00" + b"\x01\x00"
    b"\x00\x00\x00\x00" + b"\x0c\x00" + b"0\0_\0P\0K\0G\0\0\0"
)


def text_of(name: str) -> bytes:
    return name.encode("utf-16-le") + b"\0\0"


def metadata_v1(name: str, unit: int = 0) -> bytes:
    named = text_of(name)
    return struct.pack("<I32s32sHH", unit, text_of("ACME"), text_of("M1"), 1, len(named)) + named


def metadata_v2(*names: str, unit: int = 0) -> bytes:
    head = struct.pack("<32s32sHH", text_of("Microsoft"), text_of("RAPL"), 1, len(names))
    named = [text_of(name) for name in names]
    return head + b"".join(struct.pack("<IH", unit, len(name)) + name for name in named)


def device(version: int, metadata: bytes, energies: Callable[[], list[int]]) -> Control:
    """A device that answers as DeviceIoControl does; energies in picowatt-hours."""

    def ask(code: int, n_bytes: int) -> bytes:
        measured = b"".join(struct.pack("<QQ", energy, 10**7) for energy in energies())
        answers: Mapping[int, bytes] = {
            GET_VERSION: struct.pack("<H", version),
            GET_METADATA_SIZE: struct.pack("<I", len(metadata)),
            GET_METADATA: metadata,
            GET_MEASUREMENT: measured,
        }
        if len(answers[code]) > n_bytes:
            raise OSError("the data area passed to a system call is too small")
        return answers[code]

    return ask


def refusing(code: int, n_bytes: int) -> bytes:
    raise OSError(f"not supported: {code:#x} {n_bytes}")


def test_the_control_codes_are_those_of_the_header() -> None:
    unknown_device, read_access = 0x22, 1
    codes = [unknown_device << 16 | read_access << 14 | function << 2 for function in range(4)]
    assert codes == [GET_VERSION, GET_METADATA_SIZE, GET_METADATA, GET_MEASUREMENT]


def test_metadata_is_laid_out_as_the_header_says() -> None:
    assert parse_channels(2, RECORDED_V2) == ("0_PKG",)
    assert parse_channels(2, metadata_v2(*INTEL)) == INTEL
    assert parse_channels(1, metadata_v1("CPU rail")) == ("CPU rail",)


@given(st.binary(max_size=200), st.integers(0, 3))
def test_metadata_of_any_bytes_is_names_or_an_error(metadata: bytes, version: int) -> None:
    try:
        names = parse_channels(version, metadata)
    except (ValueError, struct.error):
        return
    assert all(isinstance(name, str) and name for name in names)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=6), st.integers(0, 6))
def test_an_answer_of_another_length_tells_nothing(energies: list[int], n_channels: int) -> None:
    answer = b"".join(struct.pack("<QQ", energy, 5) for energy in energies)
    told = energies if len(energies) == n_channels else [None] * n_channels
    assert parse_measurements(answer, n_channels) == told
    assert parse_measurements(answer + b"x", n_channels) == [None] * n_channels


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("RAPL_Package0_PKG", "package"),
        ("RAPL_Package0_PP0", "part"),
        ("RAPL_Package0_DRAM", "memory"),
        ("Current Socket Power", "package"),
        ("VDDCR_SOC Power", "part"),
        ("Apu Power", "part"),
        ("RAPL_PSYS", "platform"),
    ],
)
def test_a_channel_is_known_by_whole_words(name: str, kind: str) -> None:
    assert channel_kind(name) == kind


def test_channels_count_in_picowatt_hours() -> None:
    energies = [10**12, 4 * 10**11, 0, 10**11]
    meter = open_emi(lambda: [device(2, metadata_v2(*INTEL), lambda: energies)])
    meter.begin()
    energies[0] += 10**10  # a hundredth of a watt-hour
    energies[3] += 10**9
    found = {one.domain: one for one in meter.end()}
    assert found["RAPL_Package0_PKG"].joules == pytest.approx(36.0)
    assert found["RAPL_Package0_DRAM"].joules == pytest.approx(3.6)
    assert found["RAPL_Package0_PP0"].joules == 0
    assert {one.source for one in found.values()} == {"emi"}
    assert found["RAPL_Package0_PKG"].refresh_ns is None


def test_two_devices_may_call_their_channels_alike() -> None:
    devices = [device(1, metadata_v1("CPU"), lambda n=n: [n * 10**12]) for n in (1, 2)]  # type: ignore[misc]
    meter = open_emi(lambda: devices)
    meter.begin()
    assert [one.domain for one in meter.end()] == ["CPU", "CPU (2)"]


def test_dies_that_show_one_counter_are_one() -> None:
    names = ("RAPL_Package0_PKG", "RAPL_Package1_PKG")
    meter = open_emi(lambda: [device(2, metadata_v2(*names), lambda: [10**12, 10**12 + 9])])
    meter.begin()
    assert [one.domain for one in meter.end()] == ["RAPL_Package0_PKG"]


def test_a_device_that_does_not_answer_does_not_hide_the_others() -> None:
    good = device(2, metadata_v2(*INTEL), lambda: [1, 2, 3, 4])
    meter = open_emi(lambda: [refusing, good])
    meter.begin()
    assert len(meter.end()) == len(INTEL)


@pytest.mark.parametrize(
    ("devices", "reason"),
    [
        ([], "shows no energy meter"),
        ([refusing], "does not answer"),
        ([device(3, metadata_v2(*INTEL), list)], "does not answer"),
        ([device(2, metadata_v2(*INTEL, unit=7), list)], "does not answer"),
    ],
    ids=["none", "refused", "version 3", "unknown unit"],
)
def test_why_windows_tells_nothing(devices: list[Control], reason: str) -> None:
    with pytest.raises(SourceMissing, match=reason):
        open_emi(lambda: devices)


def test_a_device_that_stops_answering_tells_nothing() -> None:
    energies = [1, 2, 3, 4]
    meter = open_emi(lambda: [device(2, metadata_v2(*INTEL), lambda: energies)])
    meter.begin()
    energies.pop()
    assert meter.end() == ()


def test_paths_are_read_from_a_list_of_texts() -> None:
    raw = "\\\\?\\ACPI#INTC#1\0\\\\?\\ROOT#2\0\0".encode("utf-16-le")
    assert parse_paths(raw) == ("\\\\?\\ACPI#INTC#1", "\\\\?\\ROOT#2")

"""
Energy meters of Windows (Energy Meter Interface, emi.h): RAPL's counters on Windows 11, or meters
on the board; no privileges.

A device of version 1 has one channel, one of version 2 several. Values are picowatt-hours.
"""

from __future__ import annotations

import re
import struct
from collections import Counter as Tally
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.machine.energy import emi_native as energy_emi_native
from harness.machine.energy.meter import Counter, CounterMeter, SourceMissing, without_mirrors
from harness.schema.machine import EnergyKind

# CTL_CODE(FILE_DEVICE_UNKNOWN, n, METHOD_BUFFERED, FILE_READ_ACCESS), n from 0 on (emi.h).
GET_VERSION = 0x224000
GET_METADATA_SIZE = 0x224004
GET_METADATA = 0x224008
GET_MEASUREMENT = 0x22400C

_PICOWATT_HOURS = 0  # the only unit there is
_JOULES_PER_UNIT = 3600e-12
# What lies behind is RAPL on nearly every machine; its coarser unit is taken for the step. How
# often a board's own meter moves is documented nowhere, so no refresh is stated.
_STEP_JOULES = 2.0**-14
_CHANNEL_BYTES = 16  # EMI_CHANNEL_MEASUREMENT_DATA: energy and time, 64 bits each
_MAX_METADATA_BYTES = 1 << 20

Control = Callable[[int, int], bytes]
"""Asks one device: a control code and the most bytes wanted, to the bytes of the answer. Raises
OSError where the device refuses."""


def open_emi(devices: Callable[[], Sequence[Control]] | None = None) -> CounterMeter:
    """
    The meter of all channels of all devices.

    Raises:
        SourceMissing: There is no device, or none that answers.
    """
    found = (devices or energy_emi_native.open_devices)()
    if not found:
        raise SourceMissing(
            "Windows shows no energy meter (Windows 11 on real hardware has one, Windows 10 few)"
        )
    controls: list[Control] = []
    counters: list[list[Counter]] = []
    for control in found:
        try:
            names = _channel_names(control)
        except (OSError, ValueError, struct.error):
            continue
        controls.append(control)
        counters.append([_counter(name) for name in names])
    if not any(counters):
        raise SourceMissing("the energy meter of Windows is there and does not answer")
    return _meter(controls, counters)


def _meter(controls: Sequence[Control], counters: Sequence[Sequence[Counter]]) -> CounterMeter:
    def read() -> list[int | None]:
        return [
            value
            for control, of_device in zip(controls, counters, strict=True)
            for value in _read(control, len(of_device))
        ]

    every = _distinct([counter for of_device in counters for counter in of_device])
    kept = without_mirrors(every, read())

    def read_kept() -> list[int | None]:
        values = read()
        return [values[index] for index in kept]

    return CounterMeter("emi", [every[index] for index in kept], read_kept)


def _distinct(counters: Sequence[Counter]) -> list[Counter]:
    """The counters with names that differ: two devices may call their channels alike."""
    n_of_name: Tally[str] = Tally()
    named = []
    for counter in counters:
        n_of_name[counter.domain] += 1
        n = n_of_name[counter.domain]
        named.append(replace(counter, domain=f"{counter.domain} ({n})") if n > 1 else counter)
    return named


def _channel_names(control: Control) -> tuple[str, ...]:
    (version,) = struct.unpack_from("<H", control(GET_VERSION, 2))
    (n_bytes,) = struct.unpack_from("<I", control(GET_METADATA_SIZE, 4))
    if n_bytes > _MAX_METADATA_BYTES:
        raise ValueError(f"{n_bytes} bytes of metadata")
    return parse_channels(version, control(GET_METADATA, n_bytes))


def parse_channels(version: int, metadata: bytes) -> tuple[str, ...]:
    """
    The names of a device's channels, from EMI_METADATA_V1 or EMI_METADATA_V2.

    Version 1: unit (4 bytes), maker and model (16 UTF-16 characters each), revision (2), bytes of
    the name (2), the name. Version 2: maker, model, revision, number of channels (2), then for each
    channel unit (4), bytes of the name (2), the name, without padding between.

    Raises:
        ValueError: A version or a unit that is not known.
        struct.error: Cut short.
    """
    if version == 1:
        return (_named(metadata, 0, 70)[0],)
    if version != 2:
        raise ValueError(f"version {version} of the Energy Meter Interface")
    (n_channels,) = struct.unpack_from("<H", metadata, 66)
    names = []
    at = 68
    for _ in range(n_channels):
        name, at = _named(metadata, at, at + 4)
        names.append(name)
    return tuple(names)


def _named(metadata: bytes, unit_at: int, size_at: int) -> tuple[str, int]:
    """The name whose size lies at `size_at`, and where the bytes behind it begin."""
    (unit,) = struct.unpack_from("<I", metadata, unit_at)
    (n_bytes,) = struct.unpack_from("<H", metadata, size_at)
    if unit != _PICOWATT_HOURS:
        raise ValueError(f"unit {unit} of energy")
    (name,) = struct.unpack_from(f"{n_bytes}s", metadata, size_at + 2)
    text = name.decode("utf-16-le", errors="replace").partition("\0")[0]
    return text or "channel", size_at + 2 + n_bytes


def parse_measurements(answer: bytes, n_channels: int) -> list[int | None]:
    """Picowatt-hours of each channel; None for all where the answer is of another length."""
    if len(answer) != n_channels * _CHANNEL_BYTES:
        return [None] * n_channels
    return [energy for energy, _time in struct.iter_unpack("<QQ", answer)]


def _read(control: Control, n_channels: int) -> list[int | None]:
    try:
        answer = control(GET_MEASUREMENT, n_channels * _CHANNEL_BYTES)
    except OSError:
        return [None] * n_channels
    return parse_measurements(answer, n_channels)


def _counter(name: str) -> Counter:
    return Counter(name, channel_kind(name), _JOULES_PER_UNIT, _STEP_JOULES)


def channel_kind(name: str) -> EnergyKind:
    """
    What a channel covers, by whole words of its name.

    Intel's are RAPL_Package0_PKG, _PP0 (cores), _PP1 (graphics), _DRAM; AMD's laptops have
    "Current Socket Power", which holds VDDCR_VDD and VDDCR_SOC. What is not known is a part.
    """
    words = set(re.split(r"[\W_]+", name.upper()))
    if "DRAM" in words:
        return "memory"
    if words & {"PKG", "SOCKET"}:
        return "package"
    return "platform" if words & {"PSYS", "PLATFORM"} else "part"

"""A machine as a short page."""

from __future__ import annotations

from harness import units
from harness.analysis.speed.calibration import Calibration
from harness.analysis.speed.calibration_fit import speed_of
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.commands.machine.machine import MachineResult
from harness.machine.energy.meters import Idle
from harness.report.page import Cell, Facts, Note, Page
from harness.schema.machine import Accelerator, BandwidthSample, Conditions, Device, Machine


def page(result: MachineResult) -> Page:
    """What the machine is, how it stands now, what it measures with."""
    machine, conditions = result.machine, result.conditions
    engine = result.engine
    facts: tuple[tuple[str, Cell], ...] = (
        ("Machine", _joined(machine.model, f"id {machine.id}", machine.virtualization)),
        ("System", f"{machine.os_version}, {machine.arch}"),
        ("CPU", machine.cpu),
        ("Cores", _cores(machine, result.default_threads)),
        ("Cache", _size(machine.last_level_cache_bytes, "last level")),
        ("Memory", _memory(machine, conditions)),
        ("Bandwidth", _bandwidth(result.bandwidth)),
        ("Best known", _best_known(result.known_bandwidth)),
        *(("Accelerator", _accelerator(each)) for each in machine.accelerators),
        ("Power", _joined(_power(conditions), conditions.power_mode)),
        ("Thermal", conditions.thermal_pressure),
        ("Engine", f"{engine.binding} {engine.binding_version}, {engine.library_version}"),
        *(("Device", _device(each)) for each in engine.devices),
        *(("Energy", text) for text in _energies(result.energy)),
        ("Calibration", _calibration(result.calibration, result.stale)),
    )
    return (Facts(facts), _warnings(conditions), *_unknown(result))


def _warnings(conditions: Conditions) -> Note:
    if not conditions.warnings:
        return Note(("Nothing found that would spoil a measurement now.",))
    return Note(conditions.warnings, "finding", title="What could spoil a measurement now:")


def _unknown(result: MachineResult) -> Page:
    unknown = result.conditions.unknown
    reasons = [f"{field.replace('_', ' ')}: {reason}" for field, reason in unknown.items()]
    reasons += [f"energy by {name}: {why}" for name, why in result.energy.reasons_missing.items()]
    if not reasons:
        return ()
    return (Note(tuple(reasons), "finding", title="Not told by this system:"),)


def _joined(*parts: str | None) -> str:
    return ", ".join(part for part in parts if part)


def _cores(machine: Machine, n_threads: int) -> str:
    levels = " + ".join(f"{level.n_cores} {level.name}" for level in machine.core_levels)
    physical = f"{machine.n_cores_physical} physical" if machine.n_cores_physical else None
    return _joined(
        levels,
        physical,
        f"{machine.n_cores_logical} logical",
        f"{machine.n_cores_usable} usable; {n_threads} threads by default",
    )


def _size(n_bytes: int | None, suffix: str) -> str:
    return f"{units.memory_size(n_bytes)} {suffix}" if n_bytes else ""


def _memory(machine: Machine, conditions: Conditions) -> str:
    return _joined(
        units.memory_size(machine.memory_bytes),
        _size(conditions.memory_available_bytes, "available"),
        _size(machine.memory_limit_bytes, "limit of this container"),
        _size(machine.gpu_limit_bytes, "limit of the GPU"),
    )


def _bandwidth(sample: BandwidthSample) -> str:
    return (
        f"{units.bandwidth(sample.median_bytes_per_s)} read by {sample.n_threads} threads "
        f"(median of {sample.n_samples}; 90th percentile "
        f"{units.bandwidth(sample.q90_bytes_per_s)})"
    )


def _best_known(known: KnownBandwidth) -> str:
    """The reading that predictions take, and whether it can be relied on."""
    if known.quiet is None:
        return f"{known.best.text}; not yet read while nobody else used the machine"
    return (
        f"{known.best.text}, of {known.n_quiet} in quiet" if known.n_quiet > 1 else known.best.text
    )


def _accelerator(accelerator: Accelerator) -> str:
    cores = f"{accelerator.n_cores} cores" if accelerator.n_cores else None
    return _joined(
        accelerator.name, _size(accelerator.memory_bytes, "").strip(), cores, accelerator.driver
    )


def _power(conditions: Conditions) -> str | None:
    if conditions.battery_percent is None:
        return conditions.power_source
    return f"{conditions.power_source}, battery at {conditions.battery_percent:.0f} %"


def _device(device: Device) -> str:
    total = units.memory_size(device.total_bytes)
    return f"{device.name} ({device.description}), {device.kind}, {total}"


def _energies(energy: Idle) -> list[str]:
    """What each source tells of the rest just taken: "powercap: package-0 12.3 W when idle"."""
    watts: dict[str, list[str]] = {source: [] for source in energy.sources}
    for one in energy.idle:
        power = units.significant(one.joules / one.window_ns * 1e9)
        watts[one.source].append(f"{one.domain} {power} W")
    return [
        f"{source}: {', '.join(told)} when idle" if told else source
        for source, told in watts.items()
    ]


def _calibration(calibration: Calibration | None, stale: str | None) -> str:
    if calibration is None:
        return "none; `harness machine --calibrate` makes one, for predictions"
    day = calibration.measured_at[:10]
    speed = speed_of(calibration)
    if stale or speed is None:
        return f"of {day}, not used: {stale or 'too little was measured'}; calibrate again"
    rates = speed.decode.type_bytes_per_s
    slowest, fastest = (units.bandwidth(pick(rates.values())) for pick in (min, max))
    more = f" and {len(calibration.earlier)} before" if calibration.earlier else ""
    return f"of {day}{more}, weights read at {slowest} to {fastest} by type"

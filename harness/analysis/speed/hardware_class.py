"""
What a machine gives that nobody calibrated: by the class of its chip, fitted on published results.

How the parameters were fitted and how far they are off is printed by tools/speed and
stands in docs/method/predicted-speed.md.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from harness.analysis.speed.chips import CHIPS, Chip
from harness.analysis.speed.class_rates import ClassParameters, class_rates
from harness.analysis.speed.known_bandwidth import KnownBandwidth
from harness.analysis.speed.predict import MachineSpeed
from harness.analysis.speed.rates import DecodeSpeed, PrefillSpeed, Spread
from harness.schema.machine import Machine

CALIBRATE = "run `harness machine --calibrate`"
"""What makes figures of ranges on a machine whose class is all that is known of its speed."""
# Where left-out machines were missed by more than a factor of 1.5 in one case of ten.
_LOOSE = {
    "cpu": f"CPUs differ too much to be told by their memory; {CALIBRATE}",
    "amd": f"too little is published of this class, and it disagrees; {CALIBRATE}",
}
# Plain reads of all cores reach 60 to 95 % of what a memory is sold as, which the class was fitted
# on: STREAM gets 67 to 79 % on TI's AM62 and AM64 (SPRAD45A, SPRACV1B), 80 % and more on servers.
_READ_SHARE = 0.75
_READ_SPREAD = math.log(0.95 / 0.75)
# Weights come no faster than plain reads do, but large models come close (on 2 cores of a Xeon 0.8
# to 1.05 of what was read in the same hour, where the class says 0.59), and quiet readings of one
# machine differ. Neighbours of a guest show in no counter of it: one was read in quiet at 20.7 and
# at 33 GB/s.
_READ_CEILING = 1.2
_READ_CEILING_OF_GUEST = 1.6
_LOOSE_PREFILL = f"the prompt speed of this class varies too much between machines; {CALIBRATE}"
_APPLE = re.compile(r"Apple (M\d+(?: Pro| Max| Ultra)?)$")
# What a driver may say after a chip's name without meaning another chip: "RTX 3060 12GB",
# "RTX 6000 Ada Generation", "A100 80GB PCIe". A laptop's chip of the same name is another one.
_HARMLESS = re.compile(
    r"(\s*(\d+GB|Generation|Blackwell|Workstation|Server|Edition|PCIe|Graphics))*$", re.IGNORECASE
)
_VENDOR = re.compile(r"^(NVIDIA|AMD|Radeon|GeForce|AI|PRO(?= R\d)|\s)+", re.IGNORECASE)


def speed_of_gpu(machine: Machine) -> MachineSpeed | None:
    """What this machine's GPU gives, as far as its class tells; None where it is in no table."""
    chip = chip_of(machine)
    return None if chip is None else speed_of_chip(chip)


def chip_of(machine: Machine) -> Chip | None:
    """The machine's GPU in the table, or None; of several GPUs none is the machine's."""
    if match := _APPLE.search(machine.cpu):
        n_cores = machine.accelerators[0].n_cores if machine.accelerators else None
        return CHIPS.get(f"{match[1]} {n_cores}c")
    if re.search(r"Ryzen AI MAX", machine.cpu, re.IGNORECASE):
        return CHIPS["Strix Halo"]
    cards = [card for card in machine.accelerators if card.vendor != "Intel"]
    return chip_named(cards[0].name) if len(cards) == 1 else None


def chip_named(name: str) -> Chip | None:
    """The chip that a driver or a person calls `name` ("NVIDIA GeForce RTX 3090"), or None."""
    short = _VENDOR.sub("", name)
    for candidate in sorted(CHIPS, key=len, reverse=True):
        if not short.lower().startswith(candidate.lower()):
            continue
        return CHIPS[candidate] if _HARMLESS.fullmatch(short[len(candidate) :]) else None
    return None


def speed_of_chip(chip: Chip, parameters: ClassParameters | None = None) -> MachineSpeed:
    """
    What a chip of the table gives.

    Args:
        chip: Of chips.CHIPS.
        parameters: Others than the shipped ones, to see how far they carry.
    """
    parameters = parameters or class_rates()
    return MachineSpeed(
        method="machine-class",
        note=f"{chip.name}, class {chip.kind}",
        has_gpu=chip.kind != "cpu",
        decode=_decode(chip, parameters),
        prefill=_prefill(chip, parameters) if chip.family in parameters.prefill else None,
    )


def _decode(chip: Chip, parameters: ClassParameters) -> DecodeSpeed:
    of_class = parameters.decode[chip.kind]
    bytes_per_s = of_class.bandwidth_share * chip.bandwidth_bytes_per_s
    if chip.name.startswith("M1 "):
        bytes_per_s *= parameters.first_generation_share
    is_metal = chip.kind.startswith("apple")
    return DecodeSpeed(
        weights_bytes_per_s=bytes_per_s,
        cache_bytes_per_s=bytes_per_s / parameters.cache_factor,
        block_s=of_class.block_s,
        mixture_factor=parameters.mixture_factor,
        recurrent_factor=parameters.recurrent_factor,
        latent_cache_factor=parameters.metal_latent_factor if is_metal else 1.0,
        spread=of_class.spread,
        only_a_range=_LOOSE.get(chip.kind),
    )


def _prefill(chip: Chip, parameters: ClassParameters) -> PrefillSpeed:
    family = parameters.prefill[chip.family]
    flops_per_s = family.peak_share * chip.flops_per_s
    half = flops_per_s / family.half_precision_factor
    return PrefillSpeed(
        flops_per_s=flops_per_s,
        attention_flops_per_s=family.attention_share * flops_per_s,
        stream_bytes_per_s=parameters.stream_share * chip.bandwidth_bytes_per_s,
        recurrent_factor=parameters.recurrent_prefill_factor,
        type_flops_per_s={"F16": half, "BF16": half},
        spread=family.spread,
        only_a_range=None if chip.family == "apple" else _LOOSE_PREFILL,
    )


def cpu_speed(bandwidth_bytes_per_s: float) -> MachineSpeed:
    """What a CPU gives by what its memory is sold as: decode as a range, of prompts nothing."""
    chip = Chip("CPU", "cpu", "cpu", bandwidth_bytes_per_s / 1e9, 0.0)
    return speed_of_chip(chip)


def read_cpu_speed(known: KnownBandwidth) -> MachineSpeed:
    """The same by what its memory was read at: wider, most so where others took part of it."""
    speed = cpu_speed(known.best.bytes_per_s / _READ_SHARE)
    of_class = speed.decode.spread
    ceiling = _READ_CEILING_OF_GUEST if known.machine.virtualization else _READ_CEILING
    to_ceiling = math.log(ceiling * known.best.bytes_per_s / speed.decode.weights_bytes_per_s)
    spread = Spread(
        low=math.hypot(of_class.low, _READ_SPREAD),
        high=max(math.hypot(of_class.high, _READ_SPREAD), to_ceiling) + known.others_log,
        depth=of_class.depth,
    )
    reason = f"the memory gave {known.best.text}; {_LOOSE['cpu']}"
    decode = replace(speed.decode, spread=spread, only_a_range=reason)
    return replace(speed, note=f"class cpu, {known.best.text}", decode=decode)

"""
Bytes, nanoseconds and rates to text, and the texts of the command line back to numbers.

Nothing else in the harness formats a number. Files and weights are decimal (GB, as the hub and
disk makers count), memory is binary (GiB, as operating systems count).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)
_POWER = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_SECONDS_PER = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def significant(value: float, digits: int = 3) -> str:
    """`value` with `digits` significant digits and no exponent: 1234.5 -> "1234", 0.01234."""
    if value == 0:
        return "0"
    # Rounded first: 9.996 has two digits before the point, 9.70 has one.
    rounded = abs(float(f"{value:.{digits - 1}e}"))
    magnitude = len(str(int(rounded))) if rounded >= 1 else 0
    if magnitude:
        return f"{value:.{max(0, digits - magnitude)}f}"
    return f"{value:.{digits}g}" if abs(value) >= 1e-4 else f"{value:.1e}"


def count(n: float) -> str:
    """How many, as parameters are counted: 20914757184 -> "20.9 B"."""
    for power, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if n >= 0.9995 * power:  # what three digits would round up to it
            return f"{significant(max(1.0, n / power))} {letter}"
    return significant(n)


def counted(n: int, noun: str) -> str:
    """How many of what: "1 Run", "3 Runs"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def file_size(n_bytes: float, digits: int = 3) -> str:
    """Decimal size, as downloads are counted: 98362432 -> "98.4 MB"."""
    return _scaled(n_bytes, 1000, ("B", "kB", "MB", "GB", "TB"), digits)


def memory_size(n_bytes: float) -> str:
    """Binary size, as memory is counted: 1073741824 -> "1.00 GiB"."""
    return _scaled(n_bytes, 1024, ("B", "KiB", "MiB", "GiB", "TiB"))


def bandwidth(bytes_per_s: float) -> str:
    """Decimal bytes per second, as memory makers count: "32.4 GB/s"."""
    return f"{file_size(bytes_per_s)}/s"


def duration(ns: float) -> str:
    """A time in the unit that fits it: "1.23 ms", "4.56 s", "2m05s"."""
    if abs(ns) < 1e6:
        return f"{significant(ns / 1e3)} µs"
    if abs(ns) < 1e9:
        return f"{significant(ns / 1e6)} ms"
    if abs(ns) < 120e9:
        return f"{significant(ns / 1e9)} s"
    minutes, seconds = divmod(round(ns / 1e9), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s"


def time_left(ns: float) -> str:
    """A time nobody knows to the second, rounded up: "10 s", "90 s", "5 min", "2 h 10 min"."""
    seconds = math.ceil(ns / 1e9)
    if seconds <= 90:
        return f"{max(1, math.ceil(seconds / 10)) * 10} s"
    minutes = math.ceil(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(math.ceil(minutes / 10) * 10, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def percent(ratio: float) -> str:
    """A ratio as a percentage: 0.0213 -> "2.1 %"."""
    return f"{ratio * 100:.1f} %"


def factor(ratio: float) -> str:
    """How many times, with a digit more around 1, where it matters: 0.906, 12.3."""
    return f"{ratio:.3f}" if 0.1 <= ratio < 10 else significant(ratio)


def quantity(value: float, unit: str) -> str:
    """
    `value` as text, by the unit its metric names: "ns", "bytes", "bytes/s", "tok/s", "ratio".

    "bytes" are memory; "file bytes" are counted as downloads are, "parameters" in billions. Of a
    unit that is not known here the name stands behind the number.
    """
    known: dict[str, Callable[[float], str]] = {
        "ns": duration,
        "bytes": memory_size,
        "file bytes": file_size,
        "parameters": count,
        "bytes/s": bandwidth,
        "ratio": percent,
        "tok/s": significant,
        "J/token": significant,
        "nats": significant,
        # Near 1 an honest difference between two models is in the third digit.
        "perplexity": partial(significant, digits=4),
        "factor": factor,
        "": significant,
    }
    return known[unit](value) if unit in known else f"{significant(value)} {unit}"


def parse_duration_ns(text: str) -> int:
    """
    "5m", "90s", "1.5h" in nanoseconds.

    Raises:
        ValueError: Not a duration, without a unit, or not more than nothing.
    """
    match = _DURATION.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a duration; write 90s, 5m or 1h")
    if not match[2]:
        raise ValueError(f"{text!r} has no unit; write 90s, 5m or 1h")
    ns = round(float(match[1]) * _SECONDS_PER[match[2]] * 1e9)
    if ns <= 0:
        raise ValueError(f"{text!r} is no time at all; write 90s, 5m or 1h")
    return ns


def parse_size_bytes(text: str) -> int:
    """
    "20GB", "1.5 TB", "500M" (decimal), "16GiB" (binary), "98362432B" in bytes.

    Raises:
        ValueError: Not a size, without a unit, or not more than nothing.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text!r} is not a size; write 20GB, 500MB or 16GiB")
    if text.strip()[-1].isdigit():
        raise ValueError(f"{text!r} has no unit for a size; write 20GB, 500MB or 16GiB")
    unit = float(1024 if match[3] else 1000) ** _POWER[match[2].lower()]
    n_bytes = round(float(match[1]) * unit)
    if n_bytes <= 0:
        raise ValueError(f"{text!r} is no size at all; write 20GB, 500MB or 16GiB")
    return n_bytes


def parse_ratio(text: str) -> float:
    """
    "2%" or "0.02" as 0.02.

    Raises:
        ValueError: Not a number, or outside 0 to 1.
    """
    body = text.strip()
    is_percent = body.endswith("%")
    try:
        value = float(body.rstrip("%")) / (100 if is_percent else 1)
    except ValueError:
        raise ValueError(f"{text!r} is not a share; write 2% or 0.02") from None
    if not 0 < value < 1:
        raise ValueError(f"{text!r} is not between 0 and 100 %; write 2% or 0.02")
    return value


def parse_limit(text: str) -> float:
    """
    "5%", "+3%", "0.05" or "0" as 0.05, 0.03, 0.05 and 0: by how much something may grow.

    Raises:
        ValueError: Not a share, less than 0, or more than tenfold.
    """
    body = text.strip()
    is_percent = body.endswith("%")
    try:
        value = float(body.removesuffix("%")) / (100 if is_percent else 1)
    except ValueError:
        raise ValueError(f"{text!r} is not a limit; write 5% or 0.05") from None
    # A bare 5 would mean 500 %, and whoever types it means 5 %.
    if not 0 <= value <= (10 if is_percent else 1):
        raise ValueError(f"{text!r} is not between 0 and 1000 %; write 5% or 0.05")
    return value


def parse_nats(text: str) -> float:
    """
    "0.01" as 0.01: a divergence.

    Raises:
        ValueError: Not a number, less than 0, or endless.
    """
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is no divergence; write nats, as in 0.01") from None
    if not 0 <= value < math.inf:
        raise ValueError(f"{text!r} is no divergence; write nats, as in 0.01")
    return value


def _scaled(value: float, base: int, units: tuple[str, ...], digits: int = 3) -> str:
    index = 0
    while abs(value) >= base and index < len(units) - 1:
        value /= base
        index += 1
    if index == 0:
        return f"{value:.0f} {units[0]}"
    return f"{significant(value, digits)} {units[index]}"

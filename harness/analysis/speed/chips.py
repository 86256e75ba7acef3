"""
Chips by name: memory bandwidth, arithmetic and kind, as their makers publish them.

Bandwidth is the memory's nominal rate; arithmetic the peak of the shaders in single precision,
boost clock: for Apple cores x 256 a clock x 1.28, 1.40, 1.38, 1.58 GHz (M1 to M4), for others the
maker's own figure. Engines reach a share of either that goes with the class; see
data/class_rates.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ChipClass = Literal[
    "apple-base", "apple-pro", "apple-max", "apple-ultra", "nvidia", "nvidia-hbm", "gb10", "amd",
    "strix-halo", "cpu",
]  # fmt: skip
# Which of a class multiply alike: matrix units differ by generation.
Family = Literal[
    "apple", "apple-m5", "turing", "ampere", "ada", "blackwell", "hbm", "gb10", "amd",
    "strix-halo", "cpu",
]  # fmt: skip


@dataclass(frozen=True)
class Chip:
    """A GPU, or a whole system on a chip; `name` of an Apple chip ends in its GPU's cores."""

    name: str
    kind: ChipClass
    family: Family
    bandwidth_gb_per_s: float
    tflops: float

    @property
    def bandwidth_bytes_per_s(self) -> float:
        """Nominal bytes per second of its memory."""
        return self.bandwidth_gb_per_s * 1e9

    @property
    def flops_per_s(self) -> float:
        """Peak of multiplications and additions per second in single precision."""
        return self.tflops * 1e12


_ROWS: tuple[tuple[ChipClass, Family, str], ...] = (
    ("apple-base", "apple", "M1 7c 68.3 2.29, M1 8c 68.3 2.62, M2 8c 100 2.86, M2 10c 100 3.58"),
    ("apple-base", "apple", "M3 8c 100 2.83, M3 10c 100 3.53, M4 8c 120 3.23, M4 10c 120 4.04"),
    ("apple-base", "apple-m5", "M5 8c 153.6 3.32, M5 10c 153.6 4.15"),
    ("apple-pro", "apple", "M1 Pro 14c 200 4.58, M1 Pro 16c 200 5.23, M2 Pro 16c 200 5.73"),
    ("apple-pro", "apple", "M2 Pro 19c 200 6.8, M3 Pro 14c 150 4.95, M3 Pro 18c 150 6.36"),
    ("apple-pro", "apple", "M4 Pro 16c 273 6.46, M4 Pro 20c 273 8.08"),
    ("apple-max", "apple", "M1 Max 24c 400 7.85, M1 Max 32c 400 10.47, M2 Max 30c 400 10.74"),
    ("apple-max", "apple", "M2 Max 38c 400 13.6, M3 Max 30c 300 10.6, M3 Max 40c 400 14.13"),
    ("apple-max", "apple", "M4 Max 32c 410 12.93, M4 Max 40c 546 16.16"),
    ("apple-max", "apple-m5", "M5 Max 40c 614 16.6"),
    (
        "apple-ultra",
        "apple",
        "M1 Ultra 48c 800 15.7, M1 Ultra 64c 800 20.94, M2 Ultra 60c 800 21.5",
    ),
    ("apple-ultra", "apple", "M2 Ultra 76c 800 27.2, M3 Ultra 60c 819 21.2, M3 Ultra 80c 819 28.3"),
    ("nvidia", "turing", "RTX 2080 Ti 616 13.45"),
    ("nvidia", "ampere", "RTX 3060 360 12.74, RTX 3070 448 20.31, RTX 3080 760 29.77"),
    ("nvidia", "ampere", "RTX 3080 Ti 912 34.1, RTX 3090 936 35.58, RTX 3090 Ti 1008 40.0"),
    ("nvidia", "ampere", "RTX A4000 448 19.17, RTX A6000 768 38.71, A40 696 37.4"),
    ("nvidia", "ada", "RTX 4060 272 15.11, RTX 4060 Ti 288 22.06, RTX 4070 504 29.15"),
    ("nvidia", "ada", "RTX 4070 Ti 504 40.09, RTX 4070 Ti Super 672 44.1, RTX 4080 717 48.74"),
    ("nvidia", "ada", "RTX 4080 SUPER 736 52.22, RTX 4090 1008 82.58, RTX 4000 Ada 360 26.7"),
    ("nvidia", "ada", "RTX 5000 Ada 576 65.3, RTX 6000 Ada 960 91.1, L40S 864 91.6"),
    ("nvidia", "blackwell", "RTX 5060 Ti 448 23.7, RTX 5070 672 30.87, RTX 5070 Ti 896 43.94"),
    ("nvidia", "blackwell", "RTX 5080 960 56.28, RTX 5090 1792 104.8, RTX PRO 6000 1792 126.0"),
    ("nvidia", "blackwell", "RTX PRO 6000 Max-Q 1792 110.0"),
    (
        "nvidia-hbm",
        "hbm",
        "A100 80GB 1935 19.5, A100-SXM4-80GB 2039 19.5, H100 PCIe 2000 51.2",
    ),
    (
        "amd",
        "amd",
        "RX 7900 XT 800 51.6, RX 7900 XTX 960 61.4, RX 9070 XT 640 48.7, R9700 640 47.8",
    ),
    ("strix-halo", "strix-halo", "Strix Halo 256 29.7"),
    ("gb10", "gb10", "GB10 273 29.7"),
)


def _chips() -> dict[str, Chip]:
    chips = {}
    for kind, family, text in _ROWS:
        for entry in text.split(", "):
            name, bandwidth, tflops = entry.rsplit(" ", 2)
            chips[name] = Chip(name, kind, family, float(bandwidth), float(tflops))
    return chips


CHIPS: dict[str, Chip] = _chips()
"""Every chip of the table by its name."""

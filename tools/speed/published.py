"""
Published speeds as cases to fit: which chip, what a token asks of it, what was measured.

Where the rows come from and which were left out is told in data/README.md.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from harness.analysis.speed.chips import CHIPS, Chip
from harness.schema.work import Attention, Work

_DATA = Path(__file__).with_name("data")
# Memory alone is known of these: from its type and width, for the last five a guess.
_CPUS = {
    "Ryzen AI 5 340 CPU": 89.6, "Strix Halo CPU": 256, "RPi 5 CPU": 17.1, "RPi 400 CPU": 12.8,
    "N150 CPU": 38.4, "Orion O6 CPU": 96, "MS-R1 CPU": 96, "AmpereOne A192 CPU": 332,
}  # fmt: skip
# Beyond this much context a result counts as deep.
SHALLOW_TOKENS = 2100


@dataclass(frozen=True)
class Case:
    """One published figure."""

    chip: Chip
    model: str
    work: Work
    kind: str
    n: int
    depth: int
    n_ubatch: int
    seconds: float
    is_f16: bool
    source: str

    @property
    def n_context(self) -> float:
        """Positions in front of the mean token."""
        return self.depth + (self.n + 1) / 2

    @property
    def is_shallow(self) -> bool:
        """Whether little of its time goes with the context."""
        if self.kind == "tg":
            return self.n_context <= SHALLOW_TOKENS
        return self.depth <= SHALLOW_TOKENS and self.n <= SHALLOW_TOKENS


def place(case: Case) -> tuple[str, str, str, int, str]:
    """What two cases share that differ in context alone."""
    return case.chip.name, case.source, case.model, case.work.weights_bytes, case.kind


def published() -> list[Case]:
    """Every row of data/published.csv; `seconds` are those of one token."""
    works = _works()
    return [
        Case(
            chip=_chip(row["chip"]),
            model=row["model"],
            work=works[row["model"], row["quant"]],
            kind=row["kind"],
            n=int(row["n"]),
            depth=int(row["depth"]),
            n_ubatch=int(row["n_ubatch"]),
            seconds=1 / float(row["tok_per_s"]),
            is_f16=row["quant"] in ("F16", "BF16"),
            source=row["source"],
        )
        for row in _rows("published.csv")
    ]


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _chip(name: str) -> Chip:
    return CHIPS[name] if name in CHIPS else Chip(name, "cpu", "cpu", _CPUS[name], 1.0)


def _works() -> dict[tuple[str, str], Work]:
    return {(row["model"], row["quant"]): _work(row) for row in _rows("shapes.csv")}


def _work(row: dict[str, str]) -> Work:
    n_used, n_expert = int(row["n_expert_used"]), int(row["n_expert"])
    expert_read_bytes = int(float(row["expert_token_gb"]) * 1e9)
    return Work(
        architecture=row["model"],
        weights_bytes=int(float(row["file_gb"]) * 1e9),
        token_read_bytes=int(float(row["token_gb"]) * 1e9),
        expert_read_bytes=expert_read_bytes,
        expert_bytes=expert_read_bytes * n_expert // n_used if n_used else 0,
        n_params_multiplied=int(float(row["params_billion"]) * 1e9),
        type_params={},
        n_blocks=int(row["n_blocks"]),
        attention=tuple(_attention(row)),
        is_recurrent=row["is_recurrent"] == "1",
        is_latent=row["is_latent"] == "1",
    )


def _attention(row: dict[str, str]) -> list[Attention]:
    n_head, n_kv, length = int(row["n_head"]), int(row["n_head_kv"]), int(row["head_length"])
    if row["is_latent"] == "1":
        return [
            Attention(
                n_layer=int(row["n_full"]),
                n_key_elements=length,
                n_value_elements=0,
                n_head=n_head,
                head_key_length=length,
                head_value_length=length - 64,
            )
        ]
    parts: list[tuple[int, int | None, int, int]] = [(int(row["n_full"]), None, n_kv, length)]
    if int(row["n_sliding"]):
        sliding = int(row["sliding_n_head_kv"]), int(row["sliding_head_length"])
        parts.append((int(row["n_sliding"]), int(row["window"]), *sliding))
    return [
        Attention(
            n_layer=n_layer,
            n_positions_max=window,
            n_key_elements=n_head_kv * width,
            n_value_elements=n_head_kv * width,
            n_head=n_head,
            head_key_length=width,
            head_value_length=width,
        )
        for n_layer, window, n_head_kv, width in parts
    ]

"""What somebody has and does while signals come."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cli.commandline import ONE_THREAD, Home
from make.bench_rows import make_row

N_ROWS = 2_000
_QUICK = ("--trials", "1", "-w", "tg8", *ONE_THREAD)


@dataclass
class Desk:
    """Somebody's folder with what the commands need."""

    home: Home
    endpoint: str
    n: int = 0
    durations_s: dict[str, float] = field(default_factory=dict)

    @property
    def results(self) -> str:
        """Where this attempt keeps its results."""
        return f"results-{self.n}"

    @property
    def hub_cache(self) -> Path:
        return self.home.folder / "hf"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(self.hub_cache),
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }


@dataclass(frozen=True)
class Command:
    """
    What is done to whom.

    `is_resumed`: what was begun is there after the next one, so that is tried after every signal.
    """

    name: str
    arguments: Callable[[Desk], tuple[str, ...]]
    is_resumed: bool = False


COMMANDS = (
    Command(
        "run",
        lambda d: ("run", "tiny-random", "--runs", "2", *_QUICK, "--results", d.results),
    ),
    Command(
        "rehearse",
        lambda d: ("rehearse", "tiny-random", "--offline", "--dir", "twins", "--runs", "1",
                   *_QUICK, "--results", d.results),
    ),
    Command(
        "compare",
        lambda d: ("compare", "tiny-random", "--runs", "2", *_QUICK, "--batch-size", "64,128",
                   "--results", d.results),
    ),
    Command(
        "quality",
        lambda d: ("quality", "tiny-random", "--ctx", "64", "--chunks", "3", "--text", "text.txt",
                   *ONE_THREAD, "--results", d.results),
    ),
    Command(
        "frontier",
        lambda d: ("frontier", "tiny-random", "--dir", "made", "--measure", "--runs", "1",
                   "--trials", "1", "-w", "pp16,tg8", *ONE_THREAD, "--chunks", "2",
                   "--results", d.results),
    ),
    Command(
        "quantize",
        lambda _: ("quantize", "tiny-random", "--to", "Q4_K_M,Q5_K_M", "--dir", "made", "--force"),
    ),
    Command("import", lambda d: ("import", "rows.json", "--results", d.results), is_resumed=True),
    Command("pull", lambda _: ("pull", "owner/small:Q8_0"), is_resumed=True),
    Command(
        "gate",
        lambda _: ("gate", "--baseline", "best", "--inconclusive", "pass", "--junit", "gate.xml",
                   "--results", "stored"),
    ),
    Command(
        "export",
        lambda _: ("export", "latest", "--to", "made/rows.jsonl", "--force", "--results", "stored"),
    ),
    Command("fit", lambda d: ("fit", "tiny-random", "--results", d.results)),
    Command("calibrate", lambda _: ("machine", "--calibrate", "--force")),
)  # fmt: skip


def new_desk(folder: Path, endpoint: str) -> Desk:
    """All that the commands need, made."""
    home = Home(folder / "home", folder / "cache")
    desk = Desk(home, endpoint)
    (home.folder / "text.txt").write_text("A bee is a bee, and a flower is not. " * 60)
    rows = [make_row(n_gen=8 + index) for index in range(N_ROWS)]
    (home.folder / "rows.json").write_text(json.dumps(rows))
    for arguments in (
        ("pull", "tiny-random"),
        ("quantize", "tiny-random", "--to", "Q4_K_M,Q5_K_M", "--dir", "made"),
        *[("run", "tiny-random", "--runs", "1", *_QUICK, "--results", "stored")] * 2,
    ):
        with home.started(*arguments) as started:
            assert started.done().exit_code == 0
    return desk

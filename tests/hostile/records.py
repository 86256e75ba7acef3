"""Damaged results, baselines, scores, calibrations and digests: named, and the others are shown."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

import numpy as np
from analysis.speed.test_calibration import calibrated
from cli.commandline import Home
from cli.prepared import CAN_FORK, Ended, Prepared, Task
from make.quality import make_chunks, make_record
from make.records import make_end, make_experiment, make_run

from harness.machine.probe import probe_machine
from harness.measure.runner import describe_engine
from harness.measure.speed_here import save_calibration
from harness.models.gguf.model_file import describe
from harness.records.quality import save_quality
from harness.records.store import write_whole
from harness.schema.experiment import StoredPrediction
from harness.schema.machine import Machine
from harness.schema.model import ModelFile
from harness.schema.settings import Settings
from hostile.attempt import Attempt

_N_EXPERIMENTS = 4
_N_RUNS = 7
_KEY = "tiny-random:Q8_0"
_LIMIT_S = 60
"""The slowest of these commands takes two seconds."""
_MOST_MORE_KIB = 200 * 1024
_EXIT_CODES = range(5)
_COMMON_S = 10
_LONG_BYTES = 100_000_000


@dataclass(frozen=True)
class _Stage:
    """A user's folder with whole records, and the commands that read them."""

    home: Home
    good: dict[Path, bytes]
    prepared: Prepared
    peaks_kib: dict[str, int]

    def restore(self) -> None:
        """Everything as it was."""
        for root in (self.home.results, self.home.cache / "calibrations"):
            for path in root.rglob("*"):
                if path not in self.good and not (path.is_dir() and not path.is_symlink()):
                    path.unlink()
        for path, data in self.good.items():
            if path.is_dir() and not path.is_symlink():
                path.rmdir()
            elif not path.is_file() or path.stat().st_size != len(data):
                path.unlink(missing_ok=True)
            elif path.read_bytes() != data:
                path.unlink()
            if not path.exists():
                path.write_bytes(data)

    def run(self, arguments: tuple[str, ...]) -> tuple[Ended, str, str]:
        """The command with what it said on stdout and stderr."""
        out, err = self.home.folder / "out", self.home.folder / "err"
        environment = self.home.environment(HARNESS_RESULTS=str(self.home.results))
        task = Task(arguments, str(self.home.folder), environment, str(out), str(err), _LIMIT_S)
        ended = self.prepared.measured(task)
        return ended, out.read_text("utf-8", "replace"), err.read_text("utf-8", "replace")


_COMMANDS: tuple[tuple[str, ...], ...] = (
    ("show", "--all"),
    ("show", "--json"),
    ("show", "latest"),
    ("show", "e2", "--json"),
    ("report", "--force"),
    ("report", "--force", "results", "--json"),
    ("gate", "--baseline", "main"),
    ("gate", "--baseline", "latest", "--max-kl", "0.1"),
    ("gate", "--baseline", "best", "--across", "machine,build,settings,evidence,file"),
    ("baseline", "list"),
    ("compare", "--stored", "e1", "e2"),
    ("compare", "--across", "machine,settings", "results"),
    ("frontier", _KEY),
    ("frontier", "tiny-random", "--json"),
    ("fit", "--audit"),
    ("fit", _KEY),
    ("fit", "smollm2-135m:Q4_1", "--json"),
    ("export", "--to", "jsonl"),
    ("share", "--force"),
)

_CLAIM = ("claim",)
"""Reads all layouts of the catalogue: ten seconds and more, and as much memory as all others."""
_CLAIM_KIB = 500 * 1024


def attempts(folder: Path, rng: Random) -> Generator[Attempt, None, None]:
    """Whole records of each kind, one to three of which are damaged, then read by a command."""
    if not CAN_FORK:
        return
    stage = _set_up(folder)
    commands = [_CLAIM] + [each for each in _COMMANDS for _ in range(_weight(stage, each))]
    try:
        yield from _harmed(stage, commands, rng)
    finally:
        stage.prepared.close()


def _harmed(stage: _Stage, commands: list[tuple[str, ...]], rng: Random) -> Iterator[Attempt]:
    while True:
        harmed = rng.sample(list(stage.good), rng.randint(1, 3))
        done = [_harm(path, rng) for path in harmed]
        arguments = rng.choice(commands)
        what = f"{' '.join(arguments)} with {', '.join(done)}"
        yield Attempt(what, _fault(stage, arguments, harmed))
        stage.restore()


def _fault(stage: _Stage, arguments: tuple[str, ...], harmed: list[Path]) -> str | None:
    ended, out, err = stage.run(arguments)
    lines = err.splitlines()
    if "Traceback" in err:
        return f"traceback: {lines[-1][:200]}"
    if ended.exit_code not in _EXIT_CODES:
        return f"ended with {ended.exit_code}"
    more_kib = ended.peak_kib - stage.peaks_kib[arguments[0]]
    if more_kib > _MOST_MORE_KIB:
        return f"{more_kib >> 10} MiB more than without"
    if ended.exit_code == 1 and not out and not any(it.startswith("Error: ") for it in lines):
        return "exit code 1 without a reason"
    if arguments == ("show", "--all"):
        whole = [path for path in stage.good if path.suffix == ".jsonl" and path not in harmed]
        mine = [path for path in whole if path.parent == stage.home.results]
        missing = [path.stem for path in mine if path.stem.rpartition("-")[2] not in out]
        if missing:
            return f"whole experiments are not shown: {missing}"
    return None


def _weight(stage: _Stage, arguments: tuple[str, ...]) -> int:
    """
    How often a command is tried: those that take long less often.

    What it takes of memory with whole records is what is held against it later.
    """
    started_s = perf_counter()
    ended, _, err = stage.run(arguments)
    assert ended.exit_code in (0, 4), f"{arguments}: {err}"
    peak = max(stage.peaks_kib.get(arguments[0], 0), ended.peak_kib)
    stage.peaks_kib[arguments[0]] = peak
    return max(1, round(_COMMON_S / (perf_counter() - started_s)))


# ------------------------------------------------------------------ whole records


def _set_up(folder: Path) -> _Stage:
    home = Home(folder / "home", folder / "cache")
    stage = _Stage(home, {}, Prepared(), {_CLAIM[0]: _CLAIM_KIB})
    stage.run(("pull", "tiny-random"))
    weights = next(home.cache.rglob("*.gguf"))
    model = describe(weights, _KEY, "Q8_0", "ab" * 32)
    machine = probe_machine()
    _write_experiments(home.results, machine, model)
    chunks, _ = make_chunks(np.random.default_rng(1))
    save_quality(home.results, make_record(chunks))
    record = make_record(chunks, reference=None)
    save_quality(home.results, record.model_copy(update={"id": "00ff", "model": model}))
    # Without a calibration the memory is read, which takes more of it.
    stage.peaks_kib["fit"] = stage.run(("fit", _KEY))[0].peak_kib
    engine = describe_engine()
    save_calibration(
        calibrated(
            machine_id=machine.id,
            engine_version=engine.library_version,
            engine_commit=engine.library_commit,
        ),
        machine,
        home.cache / "calibrations",
    )
    stage.run(("fit", _KEY))
    places = (home.results, home.cache / "calibrations", home.cache / "digests")
    paths = (path for place in places for path in place.rglob("*") if path.is_file())
    stage.good.update({path: path.read_bytes() for path in paths})
    return stage


def _write_experiments(results: Path, machine: Machine, model: ModelFile) -> None:
    settings = Settings(n_threads=2)
    for number in range(1, _N_EXPERIMENTS + 1):
        experiment = make_experiment(
            id=f"e{number}",
            started_at=f"2026-11-{number:02}T17:54:00+00:00",
            models=(model,),
            settings=(settings,),
            machine=machine,
        )
        figure = {"model": _KEY, "method": "calibration", "value": 100.0, "low": 9.0, "high": 1e3}
        told = StoredPrediction(**figure, workload="tg128", component="tok_per_s")
        experiment = experiment.model_copy(
            update={"provenance": _here(experiment.provenance), "predictions": (told,)}
        )
        runs = [make_run(i, model=_KEY, settings=settings) for i in range(_N_RUNS)]
        stop = make_end(_N_RUNS).stops[0].model_copy(update={"model": _KEY, "settings": settings})
        end = make_end(_N_RUNS).model_copy(update={"stops": (stop,)})
        path = write_whole(results, experiment, runs, end)
        if number == 1:
            (results / "baselines").mkdir()
            (results / "baselines" / "main.jsonl").write_bytes(path.read_bytes())


def _here(provenance: Any) -> Any:
    return provenance.model_copy(update={"engine": describe_engine()})


# ------------------------------------------------------------------ damages


def _harm(path: Path, rng: Random) -> str:
    harm = rng.choice(_BY_PLACE) if rng.random() < 0.3 else rng.choice(_BY_TEXT)
    said = harm(path, rng)
    return f"{path.name} {said or harm.__name__.strip('_')}"


def _pipe(path: Path, _: Random) -> str | None:
    path.unlink()
    os.mkfifo(path)
    return None


def _folder(path: Path, _: Random) -> str | None:
    path.unlink()
    path.mkdir()
    return None


def _link(path: Path, rng: Random) -> str | None:
    path.unlink()
    path.symlink_to(rng.choice(["/dev/zero", "/dev/tty", path.name, "/proc/self/mem", "nowhere"]))
    return None


def _sparse(path: Path, rng: Random) -> str | None:
    size = path.stat().st_size
    with path.open("rb+") as file:
        file.truncate(rng.choice([size + 1, 1_000_000, 20_000_000_000]))
    return None


_PIECES = (b"[],", b"{},", b"9", b'"', b"x", b"[", b'{"a":', b"-9,", "\N{GRINNING FACE}".encode())


def _long_line(path: Path, rng: Random) -> str | None:
    piece = rng.choice(
        [b"[],", b"{},", b"9", b'"', b"x", b"[", b'{"a":', b"-9,", b"\xf0\x9f\x98\x80"]
    )
    begun = rng.choice([b"", b"[", b'{"kind":"run","trials":['])
    whole = path.read_bytes()
    path.write_bytes(
        rng.choice([b"", whole])
        + begun
        + piece * (_LONG_BYTES // len(piece))
        + rng.choice([b"", whole])
    )
    return f"{begun!r} and 100 MB of {piece!r}"


def _empty(path: Path, _: Random) -> str | None:
    path.write_bytes(b"")
    return None


_BY_PLACE: tuple[Callable[[Path, Random], str | None], ...] = (
    _pipe,
    _folder,
    _link,
    _sparse,
    _long_line,
    _empty,
)


def _bits(path: Path, rng: Random) -> str | None:
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 8)):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)
    return None


def _cut(path: Path, rng: Random) -> str | None:
    data = path.read_bytes()
    path.write_bytes(data[: rng.randrange(len(data))])
    return None


def _repeat(path: Path, rng: Random) -> str | None:
    lines = path.read_bytes().splitlines(keepends=True)
    at = rng.randrange(len(lines))
    lines[at:at] = [rng.choice(lines)] * rng.choice([1, 2, 50])
    path.write_bytes(b"".join(lines))
    return None


def _shuffle(path: Path, rng: Random) -> str | None:
    lines = path.read_bytes().splitlines(keepends=True)
    rng.shuffle(lines)
    path.write_bytes(b"".join(lines))
    return None


_VALUES: tuple[Any, ...] = (
    None, True, "", "x" * 1000, "\x1b[31m", "\ud800", "::error::", "\n", [], {}, [[]], {"": None},
    0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**64, 10**400, -(2**63), 0.0, -0.0, 1e-300, 5e-324, 1e308,
    float("nan"), float("inf"), "tg128", "pp512@d4096", "sustain99999", "tg9999999", "ok", "failed",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-23", "1970-01-04T00:00:00Z",
    "CPU", "gpu", "interrupted", "llama-bench", "/etc/passwd", "../../x",
)  # fmt: skip


def _value(path: Path, rng: Random) -> str | None:
    """One value of the document becomes another, of its own kind or of any."""
    lines = path.read_bytes().splitlines()
    at = rng.randrange(len(lines)) if path.suffix == ".jsonl" else None
    document = json.loads(lines[at] if at is not None else b"\n".join(lines))
    said = []
    for _ in range(rng.randint(1, 3)):
        where, owner = _any_place(document, rng)
        key = rng.choice(list(owner) if isinstance(owner, dict) else range(len(owner)))
        old = owner[key]
        owner[key] = rng.choice(_nearby(old) if rng.random() < 0.5 else _VALUES)
        said.append(f"{where}.{key}={str(owner[key])[:24]!r}")
    data = json.dumps(document).encode()
    if at is None:
        path.write_bytes(data)
    else:
        path.write_bytes(b"\n".join([*lines[:at], data, *lines[at + 1 :]]) + b"\n")
    return f"line {at} {' '.join(said)}"


def _any_place(document: Any, rng: Random) -> tuple[str, Any]:
    """A list or an object somewhere in the document that has values."""
    where, owner = "", document
    while True:
        inner = owner.items() if isinstance(owner, dict) else enumerate(owner)
        inside = [(key, each) for key, each in inner if isinstance(each, dict | list) and each]
        if not inside or rng.random() < 0.25:
            return where, owner
        key, owner = rng.choice(inside)
        where += f".{key}"


def _nearby(value: Any) -> tuple[Any, ...]:
    """Values that the schema may take for whole."""
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int):
        return (0, 1, 2, value * 2, value // 2, value * 10**6, 2**62, 2**63 - 1, -value)
    if isinstance(value, float):
        return (0.0, 1e-300, 1e300, -value, value * 1e9, 1e-9)
    if isinstance(value, list):
        return ([], value * 2, value * 3, value[:1], value[1:], list(reversed(value)))
    if isinstance(value, dict):
        return ({}, dict(list(value.items())[1:]))
    return (f"{value}x", str(value).upper(), None)


def _remove_key(path: Path, rng: Random) -> str | None:
    lines = path.read_bytes().splitlines()
    at = rng.randrange(len(lines)) if path.suffix == ".jsonl" else None
    document = json.loads(lines[at] if at is not None else b"\n".join(lines))
    where, owner = _any_place(document, rng)
    key = rng.choice(list(owner) if isinstance(owner, dict) else range(len(owner)))
    del owner[key]
    data = json.dumps(document).encode()
    lines = [data] if at is None else [*lines[:at], data, *lines[at + 1 :]]
    path.write_bytes(b"\n".join(lines) + b"\n")
    return f"line {at} without {where}.{key}"


_TIMES = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "yesterday", "")
_WORKLOADS = ("xx9", "", "tg0", "pp99999999", "chat ")


def _time_or_workload(path: Path, rng: Random) -> str | None:
    """A time that no clock tells, or a workload that nobody knows, wherever there is one."""
    name, values = rng.choice([("_at", _TIMES), ("workload", _WORKLOADS)])
    lines = path.read_text("utf-8").splitlines()
    places = [
        (at, found.span(1))
        for at, line in enumerate(lines)
        for found in re.finditer(rf'"\w*{name}":\s*"([^"]*)"', line)
    ]
    if not places:
        return _bits(path, rng)
    at, (start, end) = rng.choice(places)
    value = rng.choice(values)
    lines[at] = lines[at][:start] + value + lines[at][end:]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return f"line {at} with {name} {value!r}"


# Values most often: all else is refused when it is read, these may only show where they are used.
_BY_TEXT: tuple[Callable[[Path, Random], str | None], ...] = (
    _value, _value, _value, _value, _value, _value, _remove_key, _time_or_workload,
    _time_or_workload, _bits, _cut, _repeat, _shuffle,
)  # fmt: skip

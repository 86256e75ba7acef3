"""Text that others wrote, in every place a command reads: nothing of it may be obeyed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from cli.commandline import ONE_THREAD, Home
from cli.terminal import foreign, received
from make.gguf import SMALL, Weight, write_small, write_sparse
from make.records import make_end, make_experiment, make_failed_run, make_runs
from pydantic import ValidationError

from harness.records.store import write_whole
from harness.schema.experiment import Experiment, Run
from hostile.attempt import Attempt

PAYLOADS = (
    "\x1b]0;owned\x07\x1b[2J",
    "\x1b[31m",
    "\x9b2J",
    "x\r\n::error::x",
    "\n::error file=a::x",
    "::set-output name=a::b",
    "##[error]x",
    "\u202eabc",
    "\u2028x",
    "a\x08\x08\x7fb",
    "[red]x[/red]",
)
_FORMATS = ("plain", "github", "csv", "tsv", "json")
# Commands that read stored results; {id} is an experiment's.
_READERS = (
    ("show",),
    ("show", "{id}"),
    ("show", "latest"),
    ("report", "--force"),
    ("compare", "--stored", "{id}", "{id}"),
    ("gate", "{id}", "--baseline", "{id}"),
    ("claim",),
    ("frontier", "smollm2-135m"),
    ("export", "{id}", "--output", "md"),
    ("export", "{id}", "--output", "csv"),
    ("export", "{id}", "--output", "sql"),
    ("export", "{id}", "--output", "json"),
    ("baseline", "save", "x", "{id}"),
    ("baseline",),
)
_ARGUMENTS = (
    ("run", "{x}"),
    ("fit", "{x}"),
    ("show", "{x}"),
    ("models", "{x}"),
    ("pull", "{x}"),
    ("compare", "{x}", "tiny-random"),
    ("quality", "{x}"),
    ("quantize", "{x}"),
    ("frontier", "{x}"),
    ("rehearse", "{x}"),
    ("export", "{x}"),
    ("import", "{x}"),
    ("gate", "{x}"),
    ("baseline", "save", "{x}"),
    ("cache", "rm", "{x}"),
    ("claim", "{x}"),
    ("{x}",),
    ("run", "--{x}"),
    ("run", "-w", "{x}"),
    ("run", "tiny-random", "-c", "{x}"),
    ("run", "tiny-random", "--where", "{x}"),
    ("machine", "--format", "{x}"),
    ("show", "--results", "{x}"),
    ("frontier", "--dir", "{x}"),
    ("models", "--country", "{x}"),
    ("models", "--max-size", "{x}"),
)


def attempts(folder: Path, rng: Random) -> Generator[Attempt, None, None]:
    """A payload in a random place, and what a terminal gets of a command that reads there."""
    home = Home(folder / "home", folder / "cache")
    places = (
        _in_a_record,
        _in_an_argument,
        _in_a_header,
        _in_a_file_name,
        _in_a_holder,
        _in_a_catalogue,
        _in_a_llama_bench,
    )
    while True:
        shutil.rmtree(home.results, ignore_errors=True)
        place, payload = rng.choice(places), rng.choice(PAYLOADS)
        command, environment = place(home, payload, rng)
        if "\0" in "".join(command):
            continue
        code, text = received(home, *command, **environment)
        what = f"{payload!r} {place.__name__.strip('_').replace('_', ' ')}: {' '.join(command)!r}"
        fault = foreign(text) or ("a traceback" if "Traceback" in text else None)
        if code < 0:
            fault = f"ended by signal {-code}"
        yield Attempt(what, fault)


Made = tuple[tuple[str, ...], dict[str, str]]
_Place = tuple[Any, ...]


def _in_a_record(home: Home, payload: str, rng: Random) -> Made:
    experiment, runs = poisoned(payload)
    stop = make_end().stops[0].model_copy(update={"model": runs[0].model})
    end = make_end().model_copy(update={"stops": (stop,)})
    path = write_whole(home.results, experiment, runs, end)
    chosen = [part.replace("{id}", path.stem) for part in rng.choice(_READERS)]
    if chosen[0] not in ("export", "baseline"):
        chosen += ["--format", rng.choice(_FORMATS)]
    environment = {"GITHUB_ACTIONS": "false"}
    return tuple(chosen), environment


def _in_an_argument(home: Home, payload: str, rng: Random) -> Made:
    more = ("--json",) if rng.random() < 0.2 else ()
    return (*(part.replace("{x}", payload) for part in rng.choice(_ARGUMENTS)), *more), {}


def _in_a_header(home: Home, payload: str, rng: Random) -> Made:
    path = home.folder / "headed.gguf"
    key = rng.choice(["general.name", "general.architecture", "tokenizer.chat_template"])
    write_sparse(path, SMALL | {key: payload}, [Weight("token_embd.weight", (64, 4))])
    command = rng.choice([("fit",), ("models",), ("run", *ONE_THREAD, "-w", "tg1", "--runs", "1")])
    return (*command[:1], str(path), *command[1:]), {}


def _in_a_file_name(home: Home, payload: str, rng: Random) -> Made:
    folder = home.folder / f"folder{rng.randrange(1000)}"
    name = payload.replace("/", "_")
    write_small(folder / f"{name}.gguf")
    write_small(folder / f"{name}-Q4_0.gguf")
    verb = rng.choice(["run", "fit", "frontier", "quality", "rehearse"])
    return (verb, str(folder)), {}


def _in_a_holder(home: Home, payload: str, rng: Random) -> Made:
    facts = {"pid": payload, "what": payload, "started_at": payload}
    home.lock.with_suffix(".json").write_text(json.dumps(facts))
    return ("show", payload), {}


def _in_a_catalogue(home: Home, payload: str, rng: Random) -> Made:
    path = home.folder / "config" / "models.yaml"
    path.parent.mkdir(exist_ok=True)
    key = rng.choice(["models", payload])
    entry = {rng.choice(["name", payload, "licence", "family"]): payload}
    path.write_text(json.dumps({key: [entry]}))
    verb = rng.choice([("models",), ("fit", "--all"), ("pull", payload)])
    return verb, {"HARNESS_CONFIG": str(path.parent)}


def _in_a_llama_bench(home: Home, payload: str, rng: Random) -> Made:
    rows = json.loads((Path(__file__).parent.parent / "gold" / "llama-bench.json").read_text())
    for row in rows:
        names = [name for name, value in row.items() if isinstance(value, str)]
        row[rng.choice(names)] = payload
    path = home.folder / "bench.json"
    path.write_text(json.dumps(rows))
    return ("import", str(path)), {}


# ------------------------------------------------------------------ records


def poisoned(payload: str) -> tuple[Experiment, list[Run]]:
    """A record with `payload` behind every text of it that may be anything; one Run failed."""
    experiment, *runs = (_with(payload, good, places) for good, places in _open_places())
    assert isinstance(experiment, Experiment)
    return experiment, [run for run in runs if isinstance(run, Run)]


def _with(payload: str, good: Experiment | Run, places: Sequence[_Place]) -> Experiment | Run:
    whole = good.model_dump(mode="json")
    for *way, key in places:
        holder = whole
        for step in way:
            holder = holder[step]
        holder[key] += payload
    return type(good).model_validate(whole)


@cache
def _open_places() -> list[tuple[Experiment | Run, list[_Place]]]:
    """Records, and where in each a text may be anything."""
    experiment = make_experiment(warnings=("chromium takes 3 % of a core",))
    runs: list[Experiment | Run] = [*make_runs(3), make_failed_run(3)]
    found: list[tuple[Experiment | Run, list[_Place]]] = []
    for record in (experiment, *runs):
        places = []
        # What names the file, or what the rest of the record must agree with, stays.
        fixed = {experiment.id, experiment.started_at, *experiment.plan.workloads}
        for place, text in _texts(record.model_dump(mode="json")):
            with suppress(ValidationError):
                if text not in fixed:
                    _with("\x1b\n", record, [place])
                    places.append(place)
        found.append((record, places))
    return found


def _texts(value: Any, way: _Place = ()) -> Iterator[tuple[_Place, str]]:
    if isinstance(value, str):
        yield way, value
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _texts(each, (*way, key))

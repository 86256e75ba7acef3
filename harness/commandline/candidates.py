"""
What a word on the command line may be: models, experiments, selectors and all else with names.

Asked while a person waits for the Tab key: names are looked up where they lie, without reading
whole files, without the engine and without a network. Whatever cannot be read has no names to
offer. A name is offered only if a shell takes it for one plain word as it stands: others wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.commandline.surface import Parameter
from harness.report.text import sanitize
from harness.units import file_size

_PLAIN = re.compile(r"[A-Za-z0-9_./@%+][A-Za-z0-9_./@%+:=,-]*")
_MOST_CHARACTERS = 200
# More would not be read by anybody, and a list of a shell's is redrawn while one types.
_MOST_OFFERED = 200
_N_NEWEST = 30
_MOST_ABOUT = 80

_DEPTH = "@d4096"
_COUNTED = re.compile(r"(?:pp|tg)\d+(?P<several>x\d+)?")
_SEVERAL = "x4"


@dataclass(frozen=True)
class Candidate:
    """A word to offer, and what it is."""

    value: str
    about: str = ""


@dataclass(frozen=True)
class Line:
    """What of the line so far decides what comes next."""

    results: Path = Path("results")
    catalogs: tuple[Path, ...] = ()
    is_stored: bool = False
    key: str = ""
    word: str = ""
    """What of the value is typed, behind its last comma."""


def candidates(known: Parameter, line: Line, typed: str) -> list[Candidate]:
    """What can stand for `typed`, which is the beginning of it, in the order to show it."""
    if known.kind == "kept value":
        from harness.commandline.config import parameters_of

        known = next(iter(parameters_of(line.key).values()), known)

    def named(word: str) -> Iterator[Candidate]:
        return _named(known, replace(line, word=word))

    has_commas = known.is_list or _is_selector(known, line)
    return _fitting(_with_commas(typed, named) if has_commas else named(typed), typed)


def _named(known: Parameter, line: Line) -> Iterator[Candidate]:
    if known.choices:
        yield from _choices(known, line)
    elif _is_selector(known, line):
        yield from _terms(line, known.fields)
    elif kind := _KINDS.get(known.kind):
        yield from kind(line)


def _is_selector(known: Parameter, line: Line) -> bool:
    """A side of a comparison is one of what is stored, or else a model."""
    return known.kind == "selector" or (known.kind == "side" and line.is_stored)


def _fitting(found: Iterable[Candidate], typed: str) -> list[Candidate]:
    """Each once, of those that begin as typed in any case and that are plain words."""
    begun = typed.casefold()
    fitting = {
        each.value: Candidate(each.value, sanitize(each.about)[:_MOST_ABOUT])
        for each in found
        if each.value.casefold().startswith(begun) and _is_plain(each.value)
    }
    return [*fitting.values()][:_MOST_OFFERED]


def _is_plain(value: str) -> bool:
    return len(value) <= _MOST_CHARACTERS and _PLAIN.fullmatch(value) is not None


def _with_commas(typed: str, found: Callable[[str], Iterable[Candidate]]) -> Iterator[Candidate]:
    """What may follow the last comma, behind all that stands before it."""
    head, comma, word = typed.rpartition(",")
    taken = set(head.split(","))
    for each in found(word):
        if each.value not in taken:
            yield Candidate(f"{head}{comma}{each.value}", each.about)


def _choices(known: Parameter, line: Line) -> Iterator[Candidate]:
    yield from (Candidate(name, about) for name, about in known.choices.items())
    counted = _COUNTED.match(line.word)
    if counted and any(_DEPTH in name for name in known.choices):
        yield Candidate(counted[0])
        yield Candidate(counted[0] + _DEPTH, "behind 4096 cached tokens")
        if not counted["several"]:
            yield Candidate(counted[0] + _SEVERAL, "of 4 sequences together")


# ------------------------------------------------------------------ models


def _models(line: Line) -> Iterator[Candidate]:
    """Names of the catalogue, and behind a colon the variants; what is on this disk."""
    from harness.models.catalog.names import named_models

    for model in named_models(line.catalogs):
        for name in (model.name, *model.aliases):
            if line.word.casefold().startswith(f"{name}:".casefold()):
                for quantization, n_bytes in model.n_bytes.items():
                    yield Candidate(f"{name}:{quantization}", file_size(n_bytes) if n_bytes else "")
        sizes = ", ".join(model.n_bytes)
        yield Candidate(model.name, sizes)
        if not model.name.startswith(line.word):
            yield from (Candidate(alias, sizes) for alias in model.aliases)
    from harness.models.store_names import stored_names

    yield from (Candidate(name, "made here") for name in _made_here())
    yield from (Candidate(each.key, each.origin) for each in stored_names())


def _made_here() -> Iterator[str]:
    """What `harness quantize` made, by the names of its files."""
    from harness.models.digest import cache_dir
    from harness.models.quantization_sets import SET_PREFIX

    for folder in _names(cache_dir() / "models"):
        if not folder.startswith(SET_PREFIX):
            continue
        made = folder.removeprefix(SET_PREFIX)
        for name in _names(cache_dir() / "models" / folder):
            label = name.removesuffix(".gguf").removeprefix(f"{made}-").partition("-from-")[0]
            if label != name:
                yield f"{made.replace('--', '/')}:{label}"


def _kept(_: Line) -> Iterator[Candidate]:
    """What `harness cache rm` takes."""
    from harness.models.digest import cache_dir
    from harness.models.hub.cache import cache_root

    for name in _names(cache_root()):
        if name.startswith("models--"):
            yield Candidate(name.removeprefix("models--").replace("--", "/"), "Hugging Face")
    yield from (Candidate(name, "made here") for name in _made_here())
    for folder in ("models", "twins"):
        yield from (Candidate(name) for name in _names(cache_dir() / folder))
    yield Candidate("digests")


def _machines(_: Line) -> Iterator[Candidate]:
    from harness.models.catalog.names import reference_machine_names

    yield Candidate("here", "this machine")
    yield from map(Candidate, reference_machine_names())


# ------------------------------------------------------------------ defaults


def _keys(_: Line) -> Iterator[Candidate]:
    from harness.commandline.config import all_keys, parameters_of

    for key in dict.fromkeys(sorted(all_keys(), key=lambda key: ("." in key, key))):
        yield Candidate(key, next(iter(parameters_of(key).values())).help)


def _kept_keys(_: Line) -> Iterator[Candidate]:
    from harness.commandline.config import shown
    from harness.commandline.config_file import ConfigInvalid, read_config

    with suppress(ConfigInvalid):
        yield from (Candidate(key, shown(it)) for key, it in read_config().values.items())


# ------------------------------------------------------------------ what is stored


def _experiments(line: Line) -> Iterator[Candidate]:
    """The newest first, known by the names of their files alone."""
    yield Candidate("latest", "the newest with a result")
    for path in _newest(line.results)[:_N_NEWEST]:
        if named := _FILE_NAME.fullmatch(path.name):
            yield Candidate(named["id"], "{}-{}-{} {}:{} UTC".format(*named.groups()))


# records/store.py names them: when, which machine, which experiment.
_FILE_NAME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)\d\dZ-[0-9a-f]+-(?P<id>[0-9a-f]+)\.jsonl")


def _baselines(line: Line) -> Iterator[Candidate]:
    for name in _names(line.results / "baselines"):
        if name.endswith(".jsonl"):
            yield Candidate(name.removesuffix(".jsonl"), "baseline")


def _judged_against(line: Line) -> Iterator[Candidate]:
    yield from _baselines(line)
    yield Candidate("best", "the best comparable one")
    yield from _experiments(line)


def _devices(line: Line) -> Iterator[Candidate]:
    """Those that the newest experiments found."""
    from harness.records.heads import heads_of

    for head in heads_of(_newest(line.results)[:_N_NEWEST]):
        yield from (Candidate(name, about) for name, about in head.devices.items())


def _terms(line: Line, fields: Mapping[str, str]) -> Iterator[Candidate]:
    """What a term of a selector may be: a model, an experiment, a fact or setting with a value."""
    from harness.records.heads import heads_of

    name, equals, _ = line.word.partition("=")
    heads = heads_of(_newest(line.results)[:_N_NEWEST])
    if equals:
        values = [value for head in heads for value in head.values(fields.get(name, name))]
        yield from (Candidate(f"{name}={value}") for value in values)
        return
    yield from (Candidate(model, "model") for head in heads for model in head.models)
    yield from _experiments(line)
    yield from (Candidate(f"{each}=") for each in fields)


def _newest(folder: Path) -> list[Path]:
    """The experiment files of a results folder; their names begin with the time."""
    names = sorted((name for name in _names(folder) if name.endswith(".jsonl")), reverse=True)
    return [folder / name for name in names]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir())
    except (OSError, ValueError):
        return []


_KINDS: Mapping[str, Callable[[Line], Iterator[Candidate]]] = {
    "model": _models,
    "side": _models,
    "kept": _kept,
    "machine": _machines,
    "experiment": _experiments,
    "baseline": _baselines,
    "judged against": _judged_against,
    "device": _devices,
    "key": _keys,
    "kept key": _kept_keys,
}

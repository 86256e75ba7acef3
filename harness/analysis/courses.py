"""Which entries of machines belong together: one model, one workload, settings that are alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from harness.analysis.standings import Entry
from harness.schema.configuration import place_of
from harness.schema.model import AnyModel
from harness.schema.settings import (
    AnySettings,
    ServedSettings,
    Settings,
    difference_text,
    differing_fields,
    option_name,
    setting_text,
)

_Key = tuple[object, AnySettings]


@dataclass(frozen=True, slots=True)
class Course:
    """
    One model in one workload ("" for the model as a whole), and what each machine has of it.

    `name` tells the model from every other: its key, and where they differ settings and digest.
    """

    name: str
    workload: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """A machine with several settings of one model, none of which is meant more than another."""

    machine: int
    model: str
    settings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Courses:
    """`common` has each what two machines or more measured, `lone` what only one did."""

    common: tuple[Course, ...]
    lone: tuple[Course, ...]
    ambiguous: tuple[Ambiguity, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """A fact that is not the same on all machines: each value with those that have it."""

    fact: str
    machines: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


def courses_of(entries: Sequence[Entry], across: Collection[str] = ()) -> Courses:
    """
    What can be set side by side, in the order of `entries`.

    The number of threads is a machine's own unless it was typed, and what a server has set up is
    the server's: neither keeps machines apart. All other settings do, unless `across` has
    "settings"; random weights are no model's unless it has "evidence".

    Args:
        entries: Of each machine the newest experiment first, which counts.
        across: What may differ.
    """
    keys = _keys(entries, across)
    grouped: dict[tuple[_Key, str], dict[int, list[Entry]]] = {}
    for entry, key in zip(entries, keys, strict=True):
        grouped.setdefault((key, entry.workload), {}).setdefault(entry.machine, []).append(entry)
    names = _names({key: entry for entry, key in zip(entries, keys, strict=True)})
    common: list[Course] = []
    lone: list[Course] = []
    ambiguous: dict[tuple[int, str], Ambiguity] = {}
    for (key, workload), by_machine in grouped.items():
        chosen = []
        for machine in sorted(by_machine):
            newest = _newest(by_machine[machine])
            if len(newest) == 1:
                chosen += newest
            else:
                found = _ambiguity(newest)
                ambiguous[machine, found.model] = found
        if chosen:
            course = Course(names[key], workload, tuple(chosen))
            (common if len(chosen) > 1 else lone).append(course)
    return Courses(tuple(_ordered(common)), tuple(lone), tuple(ambiguous.values()))


def differences_of(courses: Iterable[Course]) -> list[Difference]:
    """What the machines of `courses` differ in, beside what they are."""
    entries = [entry for course in courses for entry in course.entries]
    found = [
        _difference("engine", ((it.source.engine, it) for it in entries)),
        _difference("harness", ((it.source.harness, it) for it in entries)),
        _difference("measured by", ((it.source.origin, it) for it in entries)),
        _difference("power source", _known(entries, "power_source")),
        _difference("power mode", _known(entries, "power_mode")),
    ]
    for name in differing_fields([*{it.settings: None for it in entries}]):
        told = ((setting_text(it.settings, name), it) for it in entries)
        found.append(_difference(option_name(name), ((text, it) for text, it in told if text)))
    return [it for it in found if len(it.machines) > 1]


def files_of(courses: Sequence[Course]) -> list[Difference]:
    """Models of one name that are not one file, by their digests."""
    keys = dict.fromkeys(it.model.key for course in courses for it in course.entries)
    found = [_difference(f"{key} is not one file", _digests(key, courses)) for key in keys]
    return [it for it in found if len(it.machines) > 1]


# ------------------------------------------------------------------ what belongs together


def _keys(entries: Sequence[Entry], across: Collection[str]) -> list[_Key]:
    digests: dict[object, set[str]] = {}
    for entry in entries:
        if entry.model.sha256:
            digests.setdefault(_name_key(entry.model, across), set()).add(entry.model.sha256)
    return [_key(entry, digests, across) for entry in entries]


def _key(entry: Entry, digests: Mapping[object, Collection[str]], across: Collection[str]) -> _Key:
    """By the digest where one is known, of the model's or of the only one of its name."""
    model, named = entry.model, _name_key(entry.model, across)
    if "evidence" in across:
        return named, alike(entry.settings, across)
    known = digests.get(named, ())
    digest = model.sha256 or (next(iter(known)) if len(known) == 1 else None)
    file = (digest, model.is_twin, place_of(model)) if digest else named
    return file, alike(entry.settings, across)


def _name_key(model: AnyModel, across: Collection[str]) -> tuple[object, ...]:
    """What a model goes by where no digest tells: on a server of its machine not by its port."""
    served = model.served
    if served is not None and served.is_local:
        named: tuple[object, ...] = (served.model, model.quantization, model.n_params)
    else:
        named = (model.key,)
    return *named, model.is_twin and "evidence" not in across, place_of(model)


def alike(settings: AnySettings, across: Collection[str]) -> AnySettings:
    """`settings` without what may differ between machines."""
    if isinstance(settings, ServedSettings):
        return ServedSettings()
    if "settings" in across:
        return Settings(n_threads=1)
    return settings.model_copy(update={"n_threads": 1})


def _newest(entries: Sequence[Entry]) -> list[Entry]:
    """Those of the first experiment, each under settings of its own."""
    first = entries[0].source.experiment
    return [it for it in entries if it.source.experiment == first]


def _ambiguity(entries: Sequence[Entry]) -> Ambiguity:
    among = [it.settings for it in entries]
    texts = tuple(difference_text(it, among) for it in among)
    return Ambiguity(entries[0].machine, entries[0].model.key, texts)


def _names(first: Mapping[_Key, Entry]) -> dict[_Key, str]:
    """Each under what tells it from the others of its model's name."""
    named: dict[str, list[_Key]] = {}
    for key, entry in first.items():
        named.setdefault(" · ".join((entry.model.key, *_marks(entry))), []).append(key)
    found = {}
    for name, keys in named.items():
        settings = [key[1] for key in keys]
        files = {key[0] for key in keys}
        for key in keys:
            digest = (first[key].model.sha256 or "unknown")[:8] if len(files) > 1 else ""
            more = (difference_text(key[1], settings), digest and f"sha256 {digest}")
            found[key] = " · ".join(filter(None, (name, *more)))
    return found


def _marks(entry: Entry) -> tuple[str, ...]:
    served = entry.model.served
    rehearsed = ("rehearsed",) if entry.model.is_twin else ()
    return (*rehearsed, f"served by {served.title}") if served else rehearsed


def _ordered(courses: Sequence[Course]) -> Iterator[Course]:
    """All workloads of a model one after the other, the model as a whole behind them."""
    for name in dict.fromkeys(course.name for course in courses):
        of_model = [course for course in courses if course.name == name]
        yield from sorted(of_model, key=lambda course: not course.workload)


# ------------------------------------------------------------------ what differs


def _difference(fact: str, values: Iterable[tuple[str, Entry]]) -> Difference:
    found: dict[str, dict[int, None]] = {}
    for value, entry in values:
        found.setdefault(value, {})[entry.machine] = None
    return Difference(fact, {value: tuple(machines) for value, machines in found.items()})


def _known(entries: Sequence[Entry], name: str) -> Iterator[tuple[str, Entry]]:
    for entry in entries:
        value = getattr(entry.source, name)
        if value is not None:
            yield value, entry


def _digests(key: str, courses: Sequence[Course]) -> Iterator[tuple[str, Entry]]:
    for course in courses:
        for entry in course.entries:
            if entry.model.key == key and entry.model.sha256:
                yield f"sha256 {entry.model.sha256[:8]}", entry

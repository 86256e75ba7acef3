"""
Which stored cases a few words on the command line mean.

A selector is one or more terms with commas (or the pages' middle dots) between them, all of which
must hold:

    smollm2-135m:Q4_1           a model by any of its names, or a part of one, or a quantization
    latest, 3f9a, FILE.jsonl    an experiment, as `harness show` takes it
    build=c1b9e2a               of the engine: its commit, or the version of its binding
    machine=17887f              an id or its beginning, or a part of the processor's name
    threads=2, --threads 2      any setting, by its name on the command line or in the record

A name and its value may have a blank between them, so that what a page prints is a selector.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.errors import HarnessError, ResultsInvalid, UsageError
from harness.files import is_file
from harness.models.catalog.catalog import load_catalog
from harness.models.hub.files import HubReference
from harness.models.resolve import FileHere, is_of_one_file, resolve
from harness.records.listing import (
    Listing,
    StoredConfiguration,
    configurations_in,
    find,
    latest,
    list_experiments,
    listing_of,
)
from harness.schema.experiment import Experiment
from harness.schema.settings import FIELDS, Settings, option_name, settings_text, value_text

_FACTS = ("experiment", "model", "machine", "build")

FIELDS_OF_SELECTORS: dict[str, str] = {
    **{fact: fact for fact in _FACTS},
    **{option_name(field): field for field in Settings.model_fields},
}
"""What a term may name before its "=": a fact, or what the command line calls a setting."""

# More lines than these push the question itself off the screen.
_N_OFFERED = 12


def selector_of(stored: StoredConfiguration) -> str:
    """One line that tells it from the others, and is a selector of it alone."""
    experiment = stored.experiment
    engine = experiment.provenance.engine
    return (
        f"{stored.model.key}, {settings_text(stored.settings, experiment.plan.settings)}, "
        f"build={engine.library_commit or engine.binding_version}, "
        f"machine={experiment.machine.id}, experiment={experiment.id}"
    )


def select_pairs(
    folder: Path, a: str, b: str
) -> list[tuple[StoredConfiguration, StoredConfiguration]]:
    """
    The cases of A and B that belong together, newest experiments first in question.

    Where one experiment holds cases of both, it is taken: its rounds were measured side by side.
    Elsewhere each side is the newest experiment that has such a case. Several cases of a side are
    matched by model and Settings, or where those differ on purpose, by one of the two.

    Args:
        folder: The results folder.
        a: Selector of the side that is compared with.
        b: Selector of the side that is judged. Files that cannot be read are left out.

    Raises:
        UsageError: A term that is no term, or two selectors that mean the same.
        ResultsInvalid: Nothing or too much is meant; the message lists what is there.
    """
    listings = _listings(folder, a, b)
    if not listings:
        raise ResultsInvalid(
            f"No experiment is stored in {folder}. Measure one: `harness run`.{_unreadable(folder)}"
        )
    found = [_matching(folder, listings, text) for text in (a, b)]
    for cases, text in zip(found, (a, b), strict=True):
        if not cases:
            there = _offered(_cases(listings)) + _unreadable(folder)
            raise ResultsInvalid(f"Nothing in {folder} matches {text!r}. There: {there}")
    pairs = _side_by_side(*found) or _matched(_newest(found[0]), _newest(found[1]))
    if not pairs:
        raise ResultsInvalid(_too_much(a, b, found))
    if all(before == after for before, after in pairs):
        raise UsageError(f"{a!r} and {b!r} mean the same: {selector_of(pairs[0][0])}")
    return pairs


def select_cases(folder: Path, selector: str) -> list[StoredConfiguration]:
    """
    Every stored case that `selector` means, oldest experiment first.

    Raises:
        UsageError: A term that is no term.
        ResultsInvalid: The folder cannot be read.
    """
    listings = _listings(folder, selector)
    return _matching(folder, listings, selector)


Test = Callable[[StoredConfiguration], bool]


def _listings(folder: Path, *selectors: str) -> list[Listing]:
    """The readable experiments of `folder`, behind those elsewhere that a selector names."""
    named = {Path(term) for text in selectors for term in _terms(text)}
    named = {path for path in named if path.suffix == ".jsonl" and is_file(path)}
    inside = list_experiments(folder)
    there = {listing.path.resolve() for listing in inside}
    outside = [listing_of(path) for path in sorted(named) if path.resolve() not in there]
    for listing in outside:
        if listing.problem:
            raise ResultsInvalid(listing.problem)
    return [each for each in [*outside, *inside] if each.experiment]


def _unreadable(folder: Path) -> str:
    """A sentence on the files that were left out, where there are some."""
    n_unreadable = sum(each.problem is not None for each in list_experiments(folder))
    return f" Cannot be read: {n_unreadable} more, see `harness show`." if n_unreadable else ""


def _terms(selector: str) -> list[str]:
    return [term.strip() for term in re.split("[,·]", selector)]


def _matching(
    folder: Path, listings: Sequence[Listing], selector: str
) -> list[StoredConfiguration]:
    tests = [_test(folder, listings, term) for term in _terms(selector)]
    return [case for case in _cases(listings) if all(test(case) for test in tests)]


def _cases(listings: Sequence[Listing]) -> Iterator[StoredConfiguration]:
    for listing in listings:
        yield from configurations_in(listing)


def _test(folder: Path, listings: Sequence[Listing], term: str) -> Test:
    if not term:
        raise UsageError("A selector is empty; name a model, an experiment or a setting")
    term = term.removeprefix("--")
    name, equals, value = term.partition("=")
    if equals:
        return _named(folder, listings, name.strip().lower(), value.strip())
    if term == "latest":
        return _in_experiment(latest(listings).path)
    if term.endswith(".jsonl"):
        return _in_experiment(find(folder, term))
    if any(_is_model(term, case.model.key, "") for case in _cases(listings)):
        return _of_model(term, listings)
    if any(listing.id.startswith(term) for listing in listings):
        return _in_experiment(find(folder, term))
    name, _, value = term.partition(" ")
    is_named = value and name.lower() in (*_FACTS, *FIELDS)
    return (
        _named(folder, listings, name.lower(), value.strip())
        if is_named
        else _of_model(term, listings)
    )


def _named(folder: Path, listings: Sequence[Listing], name: str, value: str) -> Test:
    wanted = value.lower()
    if name == "experiment":
        return _in_experiment(find(folder, value))
    if name == "model":
        return _of_model(value, listings)
    if name == "machine":
        return lambda case: (
            case.experiment.machine.id.startswith(wanted)
            or wanted in case.experiment.machine.cpu.lower()
        )
    if name == "build":
        return lambda case: _is_build(case.experiment, wanted)
    if name in FIELDS:
        return lambda case: value_text(getattr(case.settings, FIELDS[name])).lower() == wanted
    names = ", ".join((*_FACTS, *map(option_name, Settings.model_fields)))
    raise UsageError(f"{name!r} is nothing to select by; there are {names}")


def _in_experiment(path: Path) -> Test:
    chosen = path.resolve()
    return lambda case: case.path.resolve() == chosen


def _of_model(text: str, listings: Sequence[Listing]) -> Test:
    def is_meant(case: StoredConfiguration) -> bool:
        return _is_model(text, case.model.key, case.model.quantization)

    if any(is_meant(case) for case in _cases(listings)):
        return is_meant
    names = _other_names(text)  # reads the catalogue, which takes some tenths of a second
    return lambda case: any(
        _is_model(name, case.model.key, "") or name == case.model.file_name for name in names
    )


def _other_names(text: str) -> set[str]:
    """What records may call the model that `text` names, as far as that is known here."""
    try:
        catalog = load_catalog()
        located = resolve(text, catalog)
    except HarnessError:
        return set()  # a quantization, a word that means nothing: whoever asks says so
    if isinstance(located, FileHere):
        # Earlier versions called what was made here by its file.
        return {located.key, located.path.name}
    if isinstance(located, HubReference):
        return {str(located)}
    return {located.key if is_of_one_file(text, located, catalog) else located.spec.name}


def _is_model(text: str, key: str, quantization: str) -> bool:
    wanted, key = text.lower(), key.lower()
    return wanted == key or wanted == quantization.lower() or wanted in key.split(":")


def _is_build(experiment: Experiment, wanted: str) -> bool:
    engine = experiment.provenance.engine
    commit = engine.library_commit.lower()
    return bool(wanted) and (commit.startswith(wanted) or engine.binding_version == wanted)


def _side_by_side(
    a: Sequence[StoredConfiguration], b: Sequence[StoredConfiguration]
) -> list[tuple[StoredConfiguration, StoredConfiguration]]:
    """The pairs within the newest experiment that has different cases of both sides."""
    for path in dict.fromkeys(case.path for case in reversed(a)):
        here = [[case for case in side if case.path == path] for side in (a, b)]
        pairs = _matched(*here)
        if pairs and all(before != after for before, after in pairs):
            return pairs
    return []


def _newest(cases: Sequence[StoredConfiguration]) -> list[StoredConfiguration]:
    return [case for case in cases if case.path == cases[-1].path]


def _matched(
    a: Sequence[StoredConfiguration], b: Sequence[StoredConfiguration]
) -> list[tuple[StoredConfiguration, StoredConfiguration]]:
    """Each case of A with the one of B that it must be meant to be set against."""
    if len(a) == 1 and len(b) == 1:
        return [(a[0], b[0])]
    keys: tuple[Callable[[StoredConfiguration], object], ...] = (
        lambda case: (case.model.key, case.settings),
        lambda case: case.model.key,
        lambda case: case.settings,
    )
    for key in keys:
        pairs = [(one, other) for one in a for other in b if key(one) == key(other)]
        is_clear = len({id(one) for one, _ in pairs}) == len(pairs) and len(
            {id(other) for _, other in pairs}
        ) == len(pairs)
        if pairs and is_clear:
            return pairs
    return []


def _too_much(a: str, b: str, found: Sequence[Sequence[StoredConfiguration]]) -> str:
    return (
        f"{a!r} and {b!r} mean too much to be matched. A: {_offered(_newest(found[0]))} "
        f"B: {_offered(_newest(found[1]))} Add a model or a setting, as in threads=2"
    )


def _offered(cases: Iterator[StoredConfiguration] | Sequence[StoredConfiguration]) -> str:
    newest_first = list(dict.fromkeys(selector_of(case) for case in cases))[::-1]
    more = "; ..." if len(newest_first) > _N_OFFERED else ""
    return "; ".join(newest_first[:_N_OFFERED]) + more + "."

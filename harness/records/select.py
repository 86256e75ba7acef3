"""
Which stored configurations a few words on the command line mean.

A selector is one or more terms with commas (or the pages' middle dots) between them, all of which
must hold:

    smollm2-135m:Q4_1           a model by any of its names, or a part of one, or a quantization
    latest, 3f9a, FILE.jsonl    an experiment, as `harness show` takes it
    build=c1b9e2a               of the engine: its commit, or the version of its binding
    machine=17887f              an id or its beginning, a part of the processor's name, or a host
                                of a fleet
    threads=2, --threads 2      any setting, by its name on the command line or in the record

A name and its value may have a blank between them, so that what a page prints is a selector.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import ResultsInvalid, UsageError
from harness.files import is_file
from harness.records.listing import (
    Listing,
    StoredConfiguration,
    configurations_in,
    find_among,
    latest,
    list_experiments,
    listing_of,
)
from harness.schema.experiment import EngineInfo, Experiment
from harness.schema.settings import FIELDS, AnySettings, option_name, setting_text, settings_text

_FACTS = ("experiment", "model", "machine", "build")

FIELDS_OF_SELECTORS: dict[str, str] = {
    **{fact: fact for fact in _FACTS},
    **{option_name(field): field for field in FIELDS.values()},
}
"""What a term may name before its "=": a fact, or what the command line calls a setting."""

# More lines than these push the question itself off the screen.
_N_OFFERED = 12

NamesOf = Callable[[str], set[str]]
"""What else records may call the model that a text names; asked where no record has that name."""


def selector_of(stored: StoredConfiguration) -> str:
    """One line that tells it from the others, and is a selector of it alone."""
    experiment = stored.experiment
    terms = (
        stored.model.key,
        settings_text(stored.settings, experiment.plan.settings),
        f"build={stored.engine.build}",
        f"machine={experiment.machine.id}",
        f"experiment={experiment.id}",
    )
    return ", ".join(filter(None, terms))


@dataclass(frozen=True)
class Stored:
    """
    What a results folder holds, with what selectors name elsewhere; the newest last.

    `listings` are those that can be read, `problems` say of the others why not.
    """

    folder: Path
    listings: tuple[Listing, ...]
    problems: tuple[str, ...]
    names_of: NamesOf

    def cases(self) -> Iterator[StoredConfiguration]:
        """All of them."""
        for listing in self.listings:
            yield from configurations_in(listing)

    def matching(self, selector: str) -> list[StoredConfiguration]:
        """
        Every stored case that `selector` means, oldest experiment first.

        Raises:
            UsageError: A term that is no term.
            ResultsInvalid: A term that means no experiment, or too many.
        """
        tests = [self._test(term) for term in _terms(selector)]
        return [case for case in self.cases() if all(test(case) for test in tests)]

    @property
    def unreadable(self) -> str:
        """A sentence on the files that were left out, where there are some."""
        n = len(self.problems)
        return f" Cannot be read: {n} more, see `harness show`." if n else ""

    @property
    def nothing(self) -> ResultsInvalid:
        """That there is no experiment at all, and how to get one."""
        return ResultsInvalid(
            f"No experiment is stored in {self.folder}. Measure one: `harness run`."
            f"{self.unreadable}"
        )

    def no_match(self, selector: str) -> ResultsInvalid:
        """That `selector` means nothing of what there is."""
        there = offered(self.cases()) + self.unreadable
        return ResultsInvalid(f"Nothing in {self.folder} matches {selector!r}. There: {there}")

    def _test(self, term: str) -> _Test:
        if not term:
            raise UsageError("A selector is empty; name a model, an experiment or a setting")
        term = term.removeprefix("--")
        name, equals, value = term.partition("=")
        if equals:
            return self._named(name.strip().lower(), value.strip())
        if term == "latest":
            return self._in_file(latest(self.listings).path)
        if term.endswith(".jsonl"):
            return self._of_experiment(term)
        if any(_is_model(term, case.model.key, "") for case in self.cases()):
            return self._of_model(term)
        if any(listing.id.startswith(term) for listing in self.listings):
            return self._of_experiment(term)
        name, _, value = term.partition(" ")
        is_named = value and name.lower() in (*_FACTS, *FIELDS)
        return self._named(name.lower(), value.strip()) if is_named else self._of_model(term)

    def _named(self, name: str, value: str) -> _Test:
        wanted = value.lower()
        if name == "experiment":
            return self._of_experiment(value)
        if name == "model":
            return self._of_model(value)
        if name == "machine":
            return lambda case: (
                case.experiment.machine.id.startswith(wanted)
                or wanted in case.experiment.machine.cpu.lower()
                or wanted == _host_of(case.experiment)
            )
        if name == "build":
            return lambda case: _is_build(case.engine, wanted)
        if name in FIELDS:
            return lambda case: _has_setting(case.settings, FIELDS[name], wanted)
        names = ", ".join(FIELDS_OF_SELECTORS)
        raise UsageError(f"{name!r} is nothing to select by; there are {names}")

    def _of_experiment(self, term: str) -> _Test:
        return self._in_file(find_among(self.listings, self.folder, term))

    def _in_file(self, path: Path) -> _Test:
        chosen = _place(path)
        same = {it.path for it in self.listings if it.path == path or _place(it.path) == chosen}
        return lambda case: case.path in same

    def _of_model(self, text: str) -> _Test:
        def is_meant(case: StoredConfiguration) -> bool:
            return _is_model(text, case.model.key, case.model.quantization or "")

        if any(is_meant(case) for case in self.cases()):
            return is_meant
        if any(_is_name_at_server(text, case) for case in self.cases()):
            return lambda case: _is_name_at_server(text, case)
        names = self.names_of(text)
        return lambda case: any(
            _is_model(name, case.model.key, "") or name == case.model.file_name for name in names
        )


def _place(path: Path) -> str:
    """Where it really lies; of links in a ring a link, for which Path.resolve would raise."""
    return os.path.realpath(path)


def stored_in(folder: Path, selectors: Sequence[str], names_of: NamesOf) -> Stored:
    """
    The experiments of `folder`, behind those elsewhere that one of `selectors` names.

    Raises:
        ResultsInvalid: The folder cannot be read, or a file elsewhere that is named.
    """
    named = {Path(term) for text in selectors for term in _terms(text)}
    named = {path for path in named if path.suffix == ".jsonl" and is_file(path)}
    inside = list_experiments(folder)
    there = {_place(listing.path) for listing in inside} if named else set()
    outside = [listing_of(path) for path in sorted(named) if _place(path) not in there]
    for listing in outside:
        if listing.problem:
            raise ResultsInvalid(listing.problem)
    return Stored(
        folder,
        tuple(each for each in [*outside, *inside] if each.experiment),
        tuple(each.problem for each in inside if each.problem),
        names_of,
    )


def offered(cases: Iterable[StoredConfiguration]) -> str:
    """Selectors of some of `cases`, the newest first, for a sentence that says what there is."""
    newest_first = list(dict.fromkeys(selector_of(case) for case in cases))[::-1]
    more = "; ..." if len(newest_first) > _N_OFFERED else ""
    return "; ".join(newest_first[:_N_OFFERED]) + more + "."


_Test = Callable[[StoredConfiguration], bool]


def _terms(selector: str) -> list[str]:
    return [term.strip() for term in re.split("[,·]", selector)]


def _is_model(text: str, key: str, quantization: str) -> bool:
    wanted, key = text.lower(), key.lower()
    return wanted == key or wanted == quantization.lower() or wanted in key.split(":")


def _is_name_at_server(text: str, case: StoredConfiguration) -> bool:
    """Whether it is what a server calls the model, without where that is."""
    return case.model.served is not None and text.lower() == case.model.key.split("@")[0].lower()


def _host_of(experiment: Experiment) -> str:
    return experiment.fleet.host.lower() if experiment.fleet else ""


def _has_setting(settings: AnySettings, field: str, wanted: str) -> bool:
    return bool(wanted) and setting_text(settings, field).lower() == wanted


def _is_build(engine: EngineInfo, wanted: str) -> bool:
    names = engine.build.lower(), engine.binding_version.lower()
    return bool(wanted) and (engine.library_commit.lower().startswith(wanted) or wanted in names)

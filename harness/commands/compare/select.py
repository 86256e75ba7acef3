"""Which stored cases belong together where two selectors are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import ResultsInvalid, UsageError
from harness.models.aliases import names_in_records
from harness.records.listing import StoredConfiguration
from harness.records.select import offered, selector_of, stored_in


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
    stored = stored_in(folder, (a, b), names_in_records)
    if not stored.listings:
        raise stored.nothing
    found = [stored.matching(text) for text in (a, b)]
    for cases, text in zip(found, (a, b), strict=True):
        if not cases:
            raise stored.no_match(text)
    pairs = _side_by_side(*found) or _matched(_newest(found[0]), _newest(found[1]))
    if not pairs:
        raise ResultsInvalid(_too_much(a, b, found))
    if all(before == after for before, after in pairs):
        raise UsageError(f"{a!r} and {b!r} mean the same: {selector_of(pairs[0][0])}")
    return pairs


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
        f"{a!r} and {b!r} mean too much to be matched. A: {offered(_newest(found[0]))} "
        f"B: {offered(_newest(found[1]))} Add a model or a setting, as in threads=2"
    )

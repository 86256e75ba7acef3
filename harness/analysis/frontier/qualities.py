"""Which measured qualities stand on one page: same reference, same text, cut and read alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.schema.figure import Figure, exact


@dataclass(frozen=True, slots=True)
class MeasuredQuality:
    """
    How far one file's answers are from a reference's; files are known by their sha256.

    `alike` names everything else that must agree: the text, the tokenizer, the size of a chunk.
    `at` sorts by time.
    """

    model_sha256: str
    reference_sha256: str
    reference_key: str
    alike: tuple[str, ...]
    at: str
    kl: Figure
    same_top: Figure


@dataclass(frozen=True, slots=True)
class QualityPage:
    """
    Figures by the names of options; the reference's own are known: it differs by nothing.

    `reference` is the reference's name, or its key where it is no option itself.
    """

    figures: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    reference: str | None = None
    alike: tuple[str, ...] = ()


def quality_page(names: Mapping[str, str], measured: Sequence[MeasuredQuality]) -> QualityPage:
    """
    The qualities that belong together, of the options that have one.

    Of several references and texts those are taken that most options have, of equals the newest;
    of several results of one option the newest.

    Args:
        names: sha256 of a file to the name of its option, in the order of the page.
        measured: All results there are.
    """
    groups: dict[tuple[str, tuple[str, ...]], dict[str, MeasuredQuality]] = {}
    for each in sorted(measured, key=lambda it: it.at):
        key = (each.reference_sha256, each.alike)
        if each.model_sha256 in names:
            mine = groups.pop(key, {})
            mine[each.model_sha256] = each
            groups[key] = mine  # last, for it is the newest now
    if not groups:
        return QualityPage()
    best = max(
        reversed(groups.values()),
        key=lambda group: len({*group} | {next(iter(group.values())).reference_sha256} & {*names}),
    )
    first = next(iter(best.values()))
    figures: dict[str, Mapping[str, Figure]] = {
        names[sha256]: {"kl": it.kl, "same_top": it.same_top} for sha256, it in best.items()
    }
    reference = names.get(first.reference_sha256)
    if reference is not None:
        figures[reference] = {"kl": exact(0.0, "nats"), "same_top": exact(1.0, "ratio")}
    return QualityPage(figures, reference or first.reference_key, first.alike)

"""
Which files of a repository are meant by a quantization's name.

File names on the hub move, so nothing here knows whole names: only the tokens in them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import ModelNotFound
from harness.models.gguf.companions import PassedOver, companions, told_of
from harness.models.gguf.file_name import (
    ENDING,
    is_gguf,
    is_named_plainly,
    is_quantization,
    model_name,
    plain_quantization,
    quantization_of,
    stem,
    stem_path,
)
from harness.models.gguf.shards import shard_name
from harness.models.hub.files import HubFile, HubReference

# What is taken when nothing is asked: the quantization most repositories have and name first.
DEFAULT_QUANTIZATION = "Q4_K_M"
_SHOWN_NAMES = 8


@dataclass(frozen=True)
class Chosen:
    """
    The files of one model in order: one, or all its parts. None is a name without one.

    `passed_over` are files of its repository that go with models and are none.
    """

    files: tuple[HubFile, ...]
    quantization: str | None
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def n_bytes(self) -> int:
        """Of all files together."""
        return sum(file.n_bytes for file in self.files)

    @property
    def name(self) -> str:
        """The path of the first file."""
        return self.files[0].path


@dataclass(frozen=True)
class Hint:
    """What the catalogue knows of the file it means; each may be None."""

    path: str | None = None
    sha256: str | None = None


NO_HINT = Hint()


def choose(
    reference: HubReference,
    files: Iterable[HubFile],
    hint: Hint = NO_HINT,
    *,
    is_whole: bool = True,
) -> Chosen:
    """
    The files that `reference` means.

    The rules, in order: the digest the catalogue states; a file's whole name, with its folder or
    without; the name the catalogue remembers, unless it tells of another quantization; the
    quantization, in any case; the file called as the repository is, with nothing beside the
    quantization; a whole file before parts. Companions of models are passed over but for their
    whole name. A name of its own (`:stories260K`) works where a quantization tells no files apart.

    Args:
        reference: What is wanted.
        files: Those of the repository.
        hint: What the catalogue knows.
        is_whole: These are all of the repository's, as the hub lists them.

    Raises:
        ModelNotFound: None, or several and no rule between them; the message lists them.
    """
    sets = _models(files)
    complete = [model for model in sets if model is not None]
    for model in complete:
        if hint.sha256 and model.files[0].sha256 == hint.sha256:
            return model
    if named := _named(complete, reference.wanted):
        return _only(named, reference)
    sizes = {file.path: file.n_bytes for model in complete for file in model.files}
    passed = companions(sizes, model_name(reference.repo), is_whole=is_whole)
    left_out = {each.path for each in passed}
    complete = [replace(it, passed_over=passed) for it in complete if it.name not in left_out]
    for model in complete:
        if _is_remembered(model, hint) and model.quantization in (None, _upper(reference.wanted)):
            return model
    if not complete:
        raise ModelNotFound(_describe_nothing(reference, len(sets), passed))
    found = _matching(complete, reference.wanted) if reference.wanted else _default(complete)
    if not found:
        raise ModelNotFound(_describe_others(reference, complete, passed))
    return _only(found, reference)


def quantizations(models: Sequence[Chosen]) -> str:
    """What can be asked for, smallest first, as a list in words."""
    labels = list(dict.fromkeys(_label(model) for model in sorted(models, key=lambda m: m.n_bytes)))
    more = f" and {len(labels) - _SHOWN_NAMES * 3} more" if len(labels) > _SHOWN_NAMES * 3 else ""
    return ", ".join(labels[: _SHOWN_NAMES * 3]) + more


def _named(models: Sequence[Chosen], wanted: str | None) -> list[Chosen]:
    """The models whose whole path or file name is `wanted`, with its ending or without."""
    if wanted is None:
        return []
    whole = wanted if is_gguf(wanted) else f"{wanted}{ENDING}"
    names = {wanted.lower(), stem_path(whole).lower()}
    exact = [model for model in models if model.name in (wanted, whole)]
    by_path = [model for model in models if stem_path(model.name).lower() in names]
    return exact or by_path or [it for it in models if stem(it.name).lower() in names]


def _models(files: Iterable[HubFile]) -> list[Chosen | None]:
    """Every model among `files`, each with all its parts; None for one with parts missing."""
    parts: dict[tuple[str, int], dict[int, HubFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        if not is_gguf(file.path) or not file.n_bytes:
            continue
        shard = shard_name(Path(file.path))
        index, count = (shard.index, shard.count) if shard else (1, 0)
        parts.setdefault((stem_path(file.path), count), {})[index] = file
    models: list[Chosen | None] = []
    for (_, count), by_index in parts.items():
        indices = range(1, max(count, 1) + 1)
        if set(by_index) != set(indices):
            models.append(None)
            continue
        ordered = tuple(by_index[index] for index in indices)
        models.append(Chosen(ordered, quantization_of(ordered[0].path)))
    return models


def _matching(models: Sequence[Chosen], wanted: str) -> list[Chosen]:
    """The models of the quantization `wanted`, or else with that word in their names."""
    upper = plain_quantization(wanted)
    exact = [model for model in models if model.quantization == upper]
    # UD- marks a maker's own recipe of the same name; meant when there is no plain one.
    recipe = [model for model in models if model.quantization == f"UD-{upper}"]
    if exact or recipe or is_quantization(upper):
        return exact or recipe
    bounded = re.compile(rf"(?:^|[-._/ ]){re.escape(upper)}(?:$|[-._/ ])")
    return [model for model in models if bounded.search(stem_path(model.name).upper())]


def _default(models: Sequence[Chosen]) -> list[Chosen]:
    """What is meant when no quantization is named; nothing if that cannot be told."""
    preferred = [model for model in models if model.quantization == DEFAULT_QUANTIZATION]
    if preferred:
        return preferred
    return list(models) if len({_label(model) for model in models}) == 1 else []


def _is_remembered(model: Chosen, hint: Hint) -> bool:
    return hint.path is not None and model.name.lower() == hint.path.lower()


def _upper(wanted: str | None) -> str | None:
    return wanted.upper() if wanted else None


def _only(found: Sequence[Chosen], reference: HubReference) -> Chosen:
    """The one of `found` to take: named plainly, fewest parts; several that differ are asked of."""
    name = model_name(reference.repo)
    found = [it for it in found if is_named_plainly(it.name, name)] or found
    fewest = min(len(model.files) for model in found)
    found = [model for model in found if len(model.files) == fewest]
    different = {tuple(file.digest for file in model.files) for model in found}
    if len(found) == 1 or (len(different) == 1 and None not in next(iter(different))):
        return found[0]
    names = ", ".join(model.name for model in found[:_SHOWN_NAMES])
    raise ModelNotFound(
        f"{reference} could be {len(found)} files: {names}; write the whole name of one, "
        f"{reference.repo}:{_whole_name(found)}"
    )


def _whole_name(models: Sequence[Chosen]) -> str:
    """What means the first of `models` and no other."""
    first, *others = models
    is_alone = all(stem(it.name).lower() != stem(first.name).lower() for it in others)
    return stem(first.name) if is_alone else first.name


def _describe_nothing(reference: HubReference, n_sets: int, passed: Sequence[PassedOver]) -> str:
    if passed:
        return f"{reference.repo}: nothing here is surely a model; passed over: {told_of(passed)}"
    if n_sets:
        return f"{reference.repo} has only parts of models, none of them whole; choose another"
    return (
        f"{reference.repo} has no GGUF files; look for a repository of the same model whose name "
        "ends in -GGUF"
    )


def _describe_others(
    reference: HubReference, models: Sequence[Chosen], passed: Sequence[PassedOver]
) -> str:
    told = f"; passed over: {told_of(passed)}" if passed else ""
    if reference.wanted:
        return f"{reference.repo} has no {reference.wanted}: it has {quantizations(models)}{told}"
    return (
        f"{reference.repo} has several models: {quantizations(models)}; "
        f"write {reference.repo}:{_label(models[0])} for one of them{told}"
    )


def _label(model: Chosen) -> str:
    return model.quantization or stem(model.name)

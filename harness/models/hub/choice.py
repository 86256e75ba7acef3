"""
Which files of a repository are meant by a quantization's name.

File names on the hub move, so nothing here knows whole names: only the tokens in them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import ModelNotFound
from harness.models.gguf.shards import shard_name
from harness.models.hub.files import HubFile, HubReference

# What is taken when nothing is asked: the quantization most repositories have and name first.
DEFAULT_QUANTIZATION = "Q4_K_M"
# Names of llama.cpp's file types and of the mixes built on them (Q4_K_XL, UD-IQ1_S, MXFP4_MOE).
_QUANTIZATION = re.compile(
    r"(?:^|[-._ ])(?P<name>(?:UD-)?(?:I?Q[1-8](?:_[A-Z0-9]+)*|TQ[12]_0|MXFP\d(?:_[A-Z]+)*|NVFP4"
    r"|BF16|FP?16|FP?32))(?=$|[-._ ])"
)
# Files that go with a model and are none: projectors of images, heads that draft tokens.
_COMPANION = re.compile(r"(?:^|[-._/])(?:mmproj|mtp|eagle\d*|draft(?:er)?)(?=$|[-._/])", re.I)
# The statistics behind a quantization. Quantized weights made with them may bear the word too.
_STATISTICS = re.compile(r"(?:^|[-._/])imatrix(?=$|[-._/])", re.I)
_SHOWN_NAMES = 8
_ALIASES = {"FP16": "F16", "FP32": "F32"}


@dataclass(frozen=True)
class Chosen:
    """The files of one model in order: one, or all its parts. None is a name without one."""

    files: tuple[HubFile, ...]
    quantization: str | None

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


def choose(reference: HubReference, files: Iterable[HubFile], hint: Hint = NO_HINT) -> Chosen:
    """
    The files that `reference` means.

    The rules, in order: the digest the catalogue states; the name the catalogue remembers, unless
    it tells of another quantization; the quantization, in any case; a whole file before parts. A
    name of its own (`:stories260K`) works where a quantization does not tell files apart.

    Raises:
        ModelNotFound: None, or several and no rule between them; the message lists them.
    """
    sets = _models(files)
    complete = [model for model in sets if model is not None]
    for model in complete:
        if hint.sha256 and model.files[0].sha256 == hint.sha256:
            return model
    for model in complete:
        if _is_remembered(model, hint) and model.quantization in (None, _upper(reference.wanted)):
            return model
    if not complete:
        raise ModelNotFound(_describe_nothing(reference, len(sets)))
    found = _matching(complete, reference.wanted) if reference.wanted else _default(complete)
    if not found:
        raise ModelNotFound(
            f"{reference.repo} has no {reference.wanted}: it has {quantizations(complete)}"
            if reference.wanted
            else f"{reference.repo} has several models: {quantizations(complete)}; "
            f"write {reference.repo}:{_label(complete[0])} for one of them"
        )
    return _only(found, reference)


def quantizations(models: Sequence[Chosen]) -> str:
    """What can be asked for, smallest first, as a list in words."""
    labels = list(dict.fromkeys(_label(model) for model in sorted(models, key=lambda m: m.n_bytes)))
    more = f" and {len(labels) - _SHOWN_NAMES * 3} more" if len(labels) > _SHOWN_NAMES * 3 else ""
    return ", ".join(labels[: _SHOWN_NAMES * 3]) + more


def quantization_of(path: str) -> str | None:
    """The quantization in a file's name, or else in its folder's, in capitals."""
    pure = PurePosixPath(path)
    for text in (_stem(path), *reversed(pure.parent.parts)):
        matches = list(_QUANTIZATION.finditer(text.upper()))
        if matches:
            # The last: a model's own name may contain one ("…-QAT-Q4_0-Q8_0").
            name = matches[-1]["name"]
            return _ALIASES.get(name, name)
    return None


def _models(files: Iterable[HubFile]) -> list[Chosen | None]:
    """Every model among `files`, each with all its parts; None for one with parts missing."""
    parts: dict[tuple[str, int], dict[int, HubFile]] = {}
    for file in sorted(files, key=lambda file: file.path):
        if not file.path.lower().endswith(".gguf") or not file.n_bytes or _is_companion(file.path):
            continue
        shard = shard_name(Path(file.path))
        index, count = (shard.index, shard.count) if shard else (1, 0)
        parts.setdefault((_stem_path(file.path), count), {})[index] = file
    models: list[Chosen | None] = []
    for (_, count), by_index in parts.items():
        indices = range(1, max(count, 1) + 1)
        if set(by_index) != set(indices):
            models.append(None)
            continue
        ordered = tuple(by_index[index] for index in indices)
        models.append(Chosen(ordered, quantization_of(ordered[0].path)))
    return models


def _is_companion(path: str) -> bool:
    stem = path[: -len(".gguf")]
    if _COMPANION.search(stem):
        return True
    return bool(_STATISTICS.search(stem)) and quantization_of(path) is None


def _matching(models: Sequence[Chosen], wanted: str) -> list[Chosen]:
    """The models of the quantization `wanted`, or else with that word in their names."""
    upper = _ALIASES.get(wanted.upper(), wanted.upper())
    exact = [model for model in models if model.quantization == upper]
    # UD- marks a maker's own recipe of the same name; meant when there is no plain one.
    recipe = [model for model in models if model.quantization == f"UD-{upper}"]
    if exact or recipe or _QUANTIZATION.fullmatch(upper):
        return exact or recipe
    bounded = re.compile(rf"(?:^|[-._/ ]){re.escape(upper)}(?:$|[-._/ ])")
    return [model for model in models if bounded.search(_stem_path(model.name).upper())]


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
    """The one of `found` to take: fewest parts; several that differ are a question."""
    fewest = min(len(model.files) for model in found)
    found = [model for model in found if len(model.files) == fewest]
    different = {tuple(file.digest for file in model.files) for model in found}
    if len(found) == 1 or (len(different) == 1 and None not in next(iter(different))):
        return found[0]
    names = ", ".join(model.name for model in found[:_SHOWN_NAMES])
    raise ModelNotFound(
        f"{reference} could be {len(found)} files: {names}; write the whole name of one, "
        f"{reference.repo}:{_stem(found[0].name)}"
    )


def _describe_nothing(reference: HubReference, n_incomplete: int) -> str:
    if n_incomplete:
        return f"{reference.repo} has only parts of models, none of them whole; choose another"
    return (
        f"{reference.repo} has no GGUF files; look for a repository of the same model whose name "
        "ends in -GGUF"
    )


def _label(model: Chosen) -> str:
    return model.quantization or _stem(model.name)


def _stem(path: str) -> str:
    return PurePosixPath(_stem_path(path)).name


def _stem_path(path: str) -> str:
    """The path without its ending and without the number of its part."""
    shard = shard_name(Path(path))
    return str(PurePosixPath(path).with_name(shard.stem)) if shard else path[: -len(".gguf")]

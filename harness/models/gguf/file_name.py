"""What the name of a GGUF file says: which quantization it holds, and of which model. Pure."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from harness.models.gguf.shards import shard_name

ENDING = ".gguf"
# Names of llama.cpp's file types and of the mixes built on them (Q4_K_XL, UD-IQ1_S, MXFP4_MOE,
# Q4_0_4_8, and IQ4_KS_R4 of ik_llama.cpp). What else may follow, as in q4_k_m_v2, is the maker's.
_QUANTIZATION = re.compile(
    r"(?:^|[-._ ])(?P<name>(?:UD-)?(?:"
    r"I?Q[1-8](?:_(?:[0148K]|NL|XXS|XS|S|M|L|XL|XXL|KS|KSS|KL|KT|P|R[48]))*"
    r"|TQ[12]_0|MXFP\d(?:_MOE)?|NVFP4|BF16|FP?16|FP?32))(?=$|[-._ ])"
)
_ALIASES = {"FP16": "F16", "FP32": "F32"}
_GGUF_AT_THE_END = re.compile(r"[-_.]gguf$", re.I)
_SEPARATORS = re.compile(r"[-._ ]+")


def is_gguf(path: str) -> bool:
    """Whether the name is that of a GGUF file."""
    return path.lower().endswith(ENDING)


def stem_path(path: str) -> str:
    """The path without its ending and without the number of its part."""
    shard = shard_name(Path(path))
    if shard:
        return str(PurePosixPath(path).with_name(shard.stem))
    return path[: -len(ENDING)] if is_gguf(path) else path


def stem(path: str) -> str:
    """The same, of the file's own name."""
    return PurePosixPath(stem_path(path)).name


def plain_quantization(name: str) -> str:
    """A quantization in capitals, by the name that llama.cpp has for it."""
    upper = name.upper()
    return _ALIASES.get(upper, upper)


def is_quantization(name: str) -> bool:
    """Whether `name` is that of a quantization and nothing else, in any case."""
    return _QUANTIZATION.fullmatch(name.upper()) is not None


def quantization_of(path: str) -> str | None:
    """The quantization in a file's name, or else in its folder's, in capitals."""
    for text in (stem(path), *reversed(PurePosixPath(path).parent.parts)):
        # The last: a model's own name may contain one ("…-QAT-Q4_0-Q8_0").
        if matches := list(_QUANTIZATION.finditer(text.upper())):
            return plain_quantization(matches[-1]["name"])
    return None


def without_quantization(stem: str) -> str:
    """What stands before the quantization that ends a name; all of it if none does."""
    matches = list(_QUANTIZATION.finditer(stem.upper()))
    return stem[: matches[-1].start()] if matches and matches[-1].end() == len(stem) else stem


def model_name(repository: str) -> str:
    """What a repository, or a folder, calls the model in it: no owner, no -GGUF."""
    return _GGUF_AT_THE_END.sub("", repository.rpartition("/")[2])


def beside_name(stem: str, name: str) -> str:
    """The file's name with "~" for the model's: what is left says how it differs from others."""
    words = [re.escape(word) for word in _SEPARATORS.split(name) if word]
    if not words:
        return stem
    return re.sub(rf"(?i)(?:^|(?<=[-._ ])){'[-._ ]+'.join(words)}(?=$|[-._ ])", "~", stem, count=1)


def is_named_plainly(path: str, name: str) -> bool:
    """Whether the file is called as the model `name`, with a quantization or without, no more."""
    return without_quantization(beside_name(stem(path), name)) in ("~", "")


def key_in_repository(repo: str, path: str) -> str:
    """What a file of a hub repository is called: by its quantization where that is plain."""
    quantization = quantization_of(path)
    is_plain = quantization is not None and is_named_plainly(path, model_name(repo))
    return f"{repo}:{quantization if is_plain else stem(path)}"

"""
Texts of a record with everything taken out that is not known to be said of a product.

Each function hands back words of closed lists, numbers and model numbers, and drops the rest: what
somebody typed (the name of a file, of a host, of a person) is in no list. A product that is too new
for these lists loses a word, which a reader of the preview sees.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from importlib import resources

from harness.models.gguf.file_name import is_quantization, plain_quantization
from harness.models.gguf.tensor_types import FILE_TYPE_NUMBERS, TYPES_BY_NAME
from harness.schema.cache_types import CACHE_TYPES
from harness.schema.experiment import UNKNOWN_VERSION
from harness.schema.served import WHEEL

OTHER = "other"
"""What stands for a word that nobody knows."""


def _lists(text: str) -> Mapping[str, frozenset[str]]:
    """The lists of data/shareable_words.txt by their headings."""
    sections = re.split(r"^\[(.+)\]$", text, flags=re.MULTILINE)[1:]
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {name: frozenset(words.split()) for name, words in pairs}


_LISTS = _lists((resources.files("harness.data") / "shareable_words.txt").read_text("utf-8"))
_MOST_READ = 400
_PIECE = re.compile(r"[^\s\-_/,;:()\[\]+|]+")
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9}){0,4}(?:[GM]Hz|[KMGT]i?B|W)?")
_BUILD = re.compile(r"\d{2}[A-Z]\d{1,5}[a-z]?")
# "7800X3D", "1165G7", "M2", "gfx1151", "X1E80100", "SXM4": at most nine characters, few of them
# letters in a row. Longer ones might be serial numbers.
_MODEL_NUMBER = re.compile(r"(?=.{1,9}$)[A-Za-z]{0,3}\d{1,6}[A-Za-z]{0,3}\d{0,6}[A-Za-z]?")
_MAC = re.compile(r"(?:MacBookPro|MacBookAir|MacBook|Macmini|MacPro|iMacPro|iMac|Mac)\d{1,3}")

_HARDWARE = _LISTS["hardware"]
_SYSTEMS = _LISTS["operating systems"]
_SOFTWARE = _LISTS["software"]
_POWER = _LISTS["power"]
_VIRTUAL = _LISTS["virtualization"]
_LEVELS = _LISTS["classes of cores"]
_ENERGY = _LISTS["energy counters"]
_PROCESSOR_KINDS = _LISTS["instruction sets"]
_OPERATING_SYSTEMS = frozenset(("Linux", "macOS", "Darwin", "Windows"))
_BINDINGS = frozenset(
    (
        *("llama-cpp-python", "llama-bench", "llama-server", "ollama", "lm-studio", "mlx-lm"),
        *("vllm", "lemonade", "koboldcpp", "openai-compatible"),
    )
)
# Of OpenAI's chat completions.
_FINISHES = frozenset(("stop", "length", "content_filter", "tool_calls", "function_call"))
_BACKENDS = _LISTS["back ends"]
_DEVICE = re.compile(
    rf"(?:{'|'.join(sorted(_BACKENDS))})\d{{0,3}}"
    r"(?:_(?:Mapped|REPACK|Host|AARCH64|Split|Private|Shared|KLEIDIAI|AMX))?"
)
_REMOTE_DEVICE = re.compile(r"(RPC\d{0,3})\W.*", re.DOTALL)  # behind it stands an address
_FEATURE = re.compile(r"([A-Za-z0-9_]{2,24}) = (\d{1,6})(?=\s|$|\|)")
_FEATURES = _LISTS["features of an engine"]
_COMMIT = re.compile(r"[0-9a-f]{4,40}(?:-dirty)?")
_VERSION = re.compile(
    rf"(?:{WHEEL} )?"
    r"\d{1,6}(?:\.\d{1,6}){0,3}(?:[.+-]?(?:a|b|rc|dev|post)\d{0,6})?"
    r"|b\d{1,6}(?:-[0-9a-f]{4,40})?|\d{1,6} \([0-9a-f]{4,40}\)"  # of a llama-server
)
_ID = re.compile(r"(?:llama-bench-)?[0-9a-f]{6,32}")
_NAME = re.compile(r"\w+")
_NAMES = re.compile(r"(?:: )?[\w+, ]*")
_MEMORY_FIGURES = _LISTS["memory figures"]
_MEMORY_SOURCES = (
    *("/proc/self/status", "/proc/PID/status", "proc_pid_rusage V4", "GetProcessMemoryInfo"),
    "memory_info of the server's processes",
)

_ARCHITECTURES = _LISTS["architectures of models"]


def hardware(text: str) -> str:
    """A processor, a card or a computer: makers, product lines and model numbers."""
    return _spelled(text, _is_hardware) or "unnamed"


def system_version(text: str) -> str:
    """An operating system's own name and numbers; of a kernel the number before its first dash."""
    return _spelled(text, lambda piece: _is_word(piece, _SYSTEMS) or _is_number(piece)) or OTHER


def software(text: str) -> str:
    """The version of the engine's library, or of a server."""
    return _spelled(text, lambda piece: _is_word(piece, _SOFTWARE) or _is_number(piece)) or OTHER


def power(text: str) -> str:
    """A power mode, or how hot it is, in the words that systems have for it."""
    return _spelled(text, lambda piece: _is_word(piece, _POWER)) or OTHER


def virtualization(text: str) -> str:
    """What a machine runs in: "docker in kvm"."""
    return _spelled(text, lambda piece: _is_word(piece, _VIRTUAL)) or OTHER


def core_level(text: str) -> str | None:
    """A class of cores, as systems number them; None for a name that nobody knows."""
    found = _spelled(text, lambda piece: _is_word(piece, _LEVELS) or _is_number(piece))
    return text if found == text else None


def energy_domain(text: str) -> str | None:
    """A part of the machine that has a counter; None for a name that nobody knows."""
    found = _spelled(text, lambda piece: _is_word(piece, _ENERGY) or _is_number(piece))
    return text if found == text else None


def device(text: str) -> str | None:
    """The engine's name of a device, without a remote one's address; None for an unknown one."""
    text = _REMOTE_DEVICE.sub(r"\1", text)
    return text if _DEVICE.fullmatch(text) else None


def processor_kind(text: str) -> str:
    """The instruction set, as kernels call it."""
    return _one_of(text, _PROCESSOR_KINDS)


def operating_system(text: str) -> str:
    """Linux, macOS or Windows."""
    return _one_of(text, _OPERATING_SYSTEMS)


def binding(text: str) -> str:
    """The program that called the engine, or that serves it."""
    return _one_of(text, _BINDINGS)


def finish(text: str) -> str:
    """Why a server ended an answer."""
    return _one_of(text, _FINISHES)


def architecture(text: str) -> str:
    """A model's architecture, as llama.cpp calls it."""
    return _one_of(text, _ARCHITECTURES)


def cache_type(text: str) -> str:
    """The type of a KV cache."""
    return _one_of(text, CACHE_TYPES)


def tensor_type(text: str) -> str:
    """The type of weights."""
    return _one_of(text, TYPES_BY_NAME)


def quantization(text: str) -> str:
    """What a file's weights are stored in."""
    known = text in FILE_TYPE_NUMBERS or is_quantization(text)
    return plain_quantization(text) if known else OTHER


def version(text: str) -> str:
    """The version of a program, where it is numbers, and a commit at most."""
    is_known = text == UNKNOWN_VERSION or _VERSION.fullmatch(text)
    return text if is_known else OTHER


def commit(text: str) -> str:
    """A commit, where it is one."""
    return text if _COMMIT.fullmatch(text) else OTHER


def identifier(text: str) -> str | None:
    """An id that the harness made; None where it cannot be one."""
    return text if _ID.fullmatch(text) else None


def memory_source(text: str) -> str:
    """Which of the system's interfaces told how much memory was used."""
    known = next((name for name in _MEMORY_SOURCES if text.startswith(name)), OTHER)
    is_whole = known != OTHER and set(_NAME.findall(text[len(known) :])) <= _MEMORY_FIGURES
    return text if is_whole and _NAMES.fullmatch(text[len(known) :]) else known


def features(text: str) -> str:
    """What an engine was built with, or which back ends it has."""
    lead, _, named = text.partition("backends: ")
    if named and not lead:
        return "backends: " + ",".join(it for it in re.split(r"[, ]+", named) if it in _BACKENDS)
    found = [pair for pair in _FEATURE.findall(text) if pair[0] in _FEATURES]
    left = _PIECE.findall(_FEATURE.sub("", text))
    if set(left) <= _BACKENDS and len(found) == len(_FEATURE.findall(text)):
        return text
    return " | ".join(f"{name} = {value}" for name, value in found)


def _one_of(text: str, known: Container[str]) -> str:
    return text if text in known else OTHER


def _spelled(text: str, is_known: Callable[[str], bool]) -> str:
    """The words of `text` that are known, of a compound what stands before the first unknown."""
    words = (_known_part(word, is_known) for word in text[:_MOST_READ].split())
    return " ".join(filter(None, words)).strip(" ,;:-+/|@([")


def _known_part(word: str, is_known: Callable[[str], bool]) -> str:
    end = 0
    for found in _PIECE.finditer(word):
        if found[0] != "@" and not is_known(found[0]):
            return word[:end]
        end = found.end()
    return word if end or word in ("+", "-") else ""


def _is_word(piece: str, words: frozenset[str]) -> bool:
    return piece.rstrip(".").lower() in words


def _is_number(piece: str) -> bool:
    return bool(_NUMBER.fullmatch(piece) or _BUILD.fullmatch(piece))


def _is_hardware(piece: str) -> bool:
    return (
        _is_word(piece, _HARDWARE)
        or _is_number(piece)
        or bool(_MODEL_NUMBER.fullmatch(piece) or _MAC.fullmatch(piece))
    )

"""One table of what the engine can be set to, and the options of commands that come of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

import click

from harness.commandline import options
from harness.commandline.options import Listed, Parsed
from harness.schema.cache_types import CACHE_TYPES
from harness.schema.settings import Settings, option_name, value_text


@dataclass(frozen=True)
class EngineOption:
    """
    A field of Settings on the command line, beside the long name that `option_name` gives it.

    `one` reads a value of it, `several` those of a sweep.
    """

    short: str | None
    one: click.ParamType  # type: ignore[type-arg]  # generic only in new versions
    several: Listed
    help: str


def _number(short: str | None, least: int, help: str) -> EngineOption:
    several = Listed("list", options.whole_number(least))
    return EngineOption(short, click.IntRange(least), several, help)


def _choice(short: str | None, *choices: str, help: str) -> EngineOption:
    several = Listed("list", options.one_of(*choices))
    return EngineOption(short, click.Choice(choices), several, help)


def _choices(field: str) -> tuple[str, ...]:
    """What Settings allows there."""
    choices: tuple[str, ...] = get_args(Settings.model_fields[field].annotation)
    return choices


def _parsed(short: str | None, name: str, parse: Callable[[str], Any], help: str) -> EngineOption:
    return EngineOption(short, Parsed(name, parse), Listed("list", parse), help)


ENGINE_OPTIONS: Mapping[str, EngineOption] = {
    "n_threads": _number("-t", 1, "Threads of the engine. Default: the cores of the fastest kind."),
    "n_batch": _number("-b", 1, "Most tokens handed to the engine at once."),
    "n_ubatch": _number("-ub", 1, "Most tokens computed at once, of those of a batch."),
    "n_ctx": _number(
        "-c",
        1,
        "Context positions. Default: just what each workload needs, as llama-bench does.",
    ),
    "n_gpu_layers": _number("-ngl", -1, "Layers on the GPU; -1 is all."),
    "n_cpu_moe": _number("-ncmoe", 0, "Keep the experts of the first N layers in system memory."),
    "devices": _parsed(
        "-dev",
        "devices",
        options.devices,
        "Devices to use, joined by a slash; see `harness machine`. Default: all.",
    ),
    "split_mode": _choice(
        "-sm",
        *_choices("split_mode"),
        help="How a model is split over several GPUs.",
    ),
    "main_gpu": _number("-mg", 0, "The GPU for what is not split, counted from 0."),
    "tensor_split": _parsed(
        "-ts", "shares", options.shares, "Share of each GPU, joined by a slash: 3/1."
    ),
    "flash_attn": _choice(
        "-fa", *_choices("flash_attn"), help="Flash attention; a quantized V cache needs it."
    ),
    "type_k": _choice("-ctk", *CACHE_TYPES, help="Type of the keys in the KV cache."),
    "type_v": _choice("-ctv", *CACHE_TYPES, help="Type of the values in the KV cache."),
    "load_mode": _choice(
        None,
        *_choices("load_mode"),
        help="How weights come into memory; `none` needs the least of it.",
    ),
    "repack": _parsed(
        None, "on/off", options.OnOff(), "Rearrange weights for this CPU while loading."
    ),
}
"""Of every field of Settings that is the engine's alone, in their order: not what guesses ahead."""


def engine_lists(*fields: str) -> Callable[..., Any]:
    """Options for lists of values of each of `fields`, under their names; a sweep takes them."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for field in reversed(fields):
            row = ENGINE_OPTIONS[field]
            function = _option(field, row, row.several, row.help)(function)
        return function

    return decorate


def engine_values(*fields: str, help: Mapping[str, str] | None = None) -> Callable[..., Any]:
    """
    Options for one value of each of `fields`, which reach the function together, as `settings`.

    What the machine decides is left out of it. Where a command says something else of a field,
    `help` has it.
    """
    texts = {field: ENGINE_OPTIONS[field].help for field in fields} | dict(help or {})

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def with_settings(*arguments: Any, **given: Any) -> Any:
            values = {field: given.pop(field) for field in fields}
            settings = {field: value for field, value in values.items() if value is not None}
            return function(*arguments, settings=settings, **given)

        decorated: Callable[..., Any] = with_settings
        for field in reversed(fields):
            row = ENGINE_OPTIONS[field]
            decorated = _option(field, row, row.one, texts[field])(decorated)
        return decorated

    return decorate


def _option(field: str, row: EngineOption, kind: Any, text: str) -> Callable[..., Any]:
    names = [*([row.short] if row.short else []), f"--{option_name(field)}", field]
    return click.option(*names, type=kind, default=_default(field), help=text)


def _default(field: str) -> str | None:
    """As it is written; None where the machine or the workload decides."""
    info = Settings.model_fields[field]
    if info.is_required() or info.default in (None, ()):
        return None
    return value_text(info.default)

"""How lists, durations, shares and results folders are written on the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from harness import units
from harness.commandline.places import FILE, FOLDER
from harness.errors import UsageError
from harness.schema.workload import KINDS, parse_workload, split_workloads
from harness.schema.workload_tasks import TASK_PROMPTS, TASKS


class Word(click.types.StringParamType):
    """
    Any text, of which a shell can offer what it may stand for.

    Args:
        kind: Of what, as commandline/candidates.py knows it: "model", "experiment" ...
        fields: Of a selector what may stand before its "=", to the field of a record.
    """

    def __init__(self, kind: str, fields: Mapping[str, str] | None = None) -> None:
        self.kind = kind
        self.fields = dict(fields or {})


class OwnOption(click.Option):
    """
    An option that shares its name, and not its meaning, with those of other commands.

    Of the defaults that a user keeps, only the one for this command alone is for it.
    """

    is_own = True


def _at_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


class Listed(click.ParamType):  # type: ignore[type-arg]  # generic only in new versions
    """
    Values separated by commas, each read by `parse`; a sweep measures all of them.

    `parse` raises ValueError with a sentence for the user. `choices` are values to offer, to what
    they mean; those of `one_of` need not be named. `split` finds the values in the text.
    """

    def __init__(
        self,
        name: str,
        parse: Callable[[str], Any],
        choices: Mapping[str, str] | None = None,
        split: Callable[[str], Sequence[str]] = _at_commas,
    ) -> None:
        self.name = name
        self._split = split
        self.choices = choices or dict.fromkeys(getattr(parse, "choices", ()), "")
        self._parse = parse

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[Any, ...]:
        """The values, without repeats."""
        if isinstance(value, tuple):
            return value
        try:
            parsed = [self._parse(part) for part in self._split(str(value))]
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return tuple(dict.fromkeys(parsed))


class Parsed(click.ParamType):  # type: ignore[type-arg]  # generic only in new versions
    """One value read by `parse`, which raises ValueError with a sentence for the user."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self.choices = dict.fromkeys(getattr(parse, "choices", ()), "")
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value."""
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True)
class OneOf:
    """A reader of one of `choices`, in any case."""

    choices: tuple[str, ...]

    def __call__(self, text: str) -> str:
        """The choice."""
        if text.lower() not in self.choices:
            raise ValueError(f"{text!r} is not one of {', '.join(self.choices)}")
        return text.lower()


@dataclass(frozen=True)
class OnOff:
    """A reader of "on" and "off": True and False."""

    choices = ("on", "off")

    def __call__(self, text: str) -> bool:
        """Whether it is "on"."""
        return OneOf(self.choices)(text) == "on"


def whole_number(least: int) -> Callable[[str], int]:
    """A reader of whole numbers from `least` on."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"{text!r} is not a whole number") from None
        if number < least:
            raise ValueError(f"{number} is less than {least}")
        return number

    return parse


AUTO = "auto"
"""Stands for values that are found out."""


def or_auto(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A reader of AUTO, and of what `parse` reads."""
    return lambda text: AUTO if text.lower() == AUTO else parse(text)


def is_auto(values: Collection[object]) -> bool:
    """
    Whether they are AUTO.

    Raises:
        UsageError: Others are named beside it.
    """
    if AUTO in values and len(values) > 1:
        raise UsageError("auto stands alone; leave the others away, or auto")
    return AUTO in values


def one_of(*choices: str) -> OneOf:
    """A reader of one of `choices`, in any case."""
    return OneOf(choices)


def devices(text: str) -> tuple[str, ...]:
    """Devices used together, joined by a slash as llama-bench has it: "CUDA0/CUDA1"."""
    names = tuple(name.strip() for name in text.split("/"))
    if not all(names):
        raise ValueError(f"{text!r} is not a list of devices; write CUDA0 or CUDA0/CUDA1")
    return names


def shares(text: str) -> tuple[float, ...]:
    """Shares of the devices joined by a slash: "3/1"."""
    try:
        values = tuple(float(part) for part in text.split("/"))
    except ValueError:
        raise ValueError(f"{text!r} is not a split; write 3/1") from None
    if not all(0 <= value < float("inf") for value in values) or not any(values):
        raise ValueError(f"{text!r} is not a split; write 3/1")
    return values


def workload_name(text: str) -> str:
    """The canonical name of a workload."""
    return parse_workload(text).name


def depth(text: str) -> int:
    """Tokens in the cache, "4096" or "4k", which is the same."""
    found = re.fullmatch(r"(\d{1,7})(k?)", text.lower())
    if not found:
        raise ValueError(f"{text!r} is not a depth; write 0, 4096 or 16k")
    return int(found[1]) * (1024 if found[2] else 1)


def examples(*lines: str) -> str:
    """The epilog of a command's help: whole command lines as a person would type them."""
    return "\n".join(["\b", "Examples:" if lines[1:] else "Example:", *(f"  {it}" for it in lines)])


def budget_text(n_models: int, budget_ns: int) -> str:
    """How long it takes where each model has a budget: "at most 5m00s for each of 2 models ..."."""
    each = units.duration(budget_ns)
    if n_models == 1:
        return f"at most {each} (--budget)"
    whole = units.duration(n_models * budget_ns)
    return f"at most {each} for each of {n_models} models, {whole} in all (--budget)"


def typed(context: click.Context) -> dict[str, str]:
    """Of what stands on the command line, each parameter's name to how the option is written."""
    return {
        name: parameter.opts[-1] if isinstance(parameter, click.Option) else name.upper()
        for parameter in context.command.params
        if (name := parameter.name or "")
        and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def refuse_unused(typed: Mapping[str, str], unused: Collection[str], why: str) -> None:
    """
    Nothing, if none of the parameters `unused` was typed: what has no effect is never ignored.

    Args:
        typed: As `typed` gives it.
        unused: Names of parameters.
        why: What is said behind the option, with what to do.

    Raises:
        UsageError: One was.
    """
    for name, option in typed.items():
        if name in unused:
            raise UsageError(f"{option} {why}")


WORKLOADS = Listed(
    "list",
    workload_name,
    {example: kind.form for kind in KINDS for example in kind.examples}
    | {TASKS: ", ".join(TASK_PROMPTS)},
    split_workloads,
)
DEPTHS = Listed("list", or_auto(depth), {AUTO: "as deep as memory and time allow"})
DURATION = Parsed("duration", units.parse_duration_ns)
RATIO = Parsed("share", units.parse_ratio)
SIZE = Parsed("size", units.parse_size_bytes)
COUNTS = Listed("list", whole_number(1))

ENVIRONMENT: Mapping[str, str] = {"results": "HARNESS_RESULTS"}
"""Options that the environment can set, by their parameters' names."""

MODEL = Word("model")
EXPERIMENT = Word("experiment")
BASELINE = Word("baseline")

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")

catalog_option = click.option(
    "--catalog",
    "catalogs",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="One more catalogue; its models replace those of the same name. May be repeated.",
)


def results_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--results DIR`, which also reads its variable of ENVIRONMENT."""
    return click.option(
        "--results",
        type=FOLDER,
        default=lambda: os.environ.get(ENVIRONMENT["results"]) or "results",
        show_default="./results or HARNESS_RESULTS",
        help="Folder of the experiment files.",
    )(function)


def verbose_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--verbose, which reaches `function` as `is_full`."""
    return click.option(
        "--verbose",
        "is_full",
        is_flag=True,
        help="Every trial too, and of a sweep all figures of each model and setting.",
    )(function)

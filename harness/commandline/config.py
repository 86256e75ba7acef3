"""
Which defaults a user keeps, and that they are given to the command they are for.

The command line wins over the environment, and that over the file; of the file a command's own
table wins over what stands above all tables. Only options with a value can be kept: a switch could
not be taken back on the command line.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import click

from harness.commandline.config_file import ConfigFile, read_config
from harness.commandline.options import ENVIRONMENT
from harness.commandline.places import Place
from harness.commandline.surface import Parameter, known_commands
from harness.errors import UsageError

_N_OFFERED = 3


def give_defaults(verb: str, command: click.Command, context: click.Context) -> None:
    """
    Hands what the file has for `command` to click, and says so in the help of its options.

    Raises:
        ConfigInvalid, UsageError: The file cannot be read, or something in it is wrong.
    """
    config = read_config()
    if not config.values:
        return
    for key in config.values:
        if why := unknown(key):
            raise UsageError(f"{config.where(key)} {why}")
    context.default_map = {verb: _defaults(verb, command, context, config)}


def _defaults(
    verb: str, command: click.Command, context: click.Context, config: ConfigFile
) -> dict[str, Any]:
    """Of the command's parameters, by their names; the help of their options says so."""
    kept: dict[str, Any] = {}
    for option in command.params:
        key = _key_for(verb, option, config)
        if key is None or not isinstance(option, click.Option):
            continue
        value = _value_of(option, config.values[key], config.where(key), context)
        option.show_default = f"{_shown(value)}, from {config.path.name}"
        kept[option.name or ""] = value
    return kept


def settable(verb: str) -> Mapping[str, Parameter]:
    """The options of a command that can be kept, by their keys without the command."""
    return {
        each.options[-1].lstrip("-"): each
        for each in known_commands()[verb].parameters
        if each.options and not each.is_flag and not each.is_written
    }


def all_keys() -> Iterator[str]:
    """Every key there is."""
    for verb in _verbs():
        for name, option in settable(verb).items():
            yield f"{verb}.{name}"
            if not option.is_own:
                yield name


def parameters_of(key: str) -> dict[str, Parameter]:
    """The options that a key sets, by their commands; none of a key that is unknown."""
    verb, dot, name = key.rpartition(".")
    if dot:
        return {verb: settable(verb)[name]} if verb in _verbs() and name in settable(verb) else {}
    return {
        verb: option
        for verb in _verbs()
        if (option := settable(verb).get(name)) and not option.is_own
    }


def unknown(key: str) -> str | None:
    """Why nothing can be kept under `key`, with what may be meant; None where something can."""
    if parameters_of(key):
        return None
    verb, dot, name = key.rpartition(".")
    own = [f"{it}.{name}" for it in ([] if dot else _verbs()) if name in settable(it)]
    if own:
        return f"means something else in each command; there are {', '.join(own)}"
    found = [
        each
        for it in ([verb] if dot else _verbs())
        for each in (known_commands()[it].parameters if it in _verbs() else ())
        if f"--{name}" in each.options
    ]
    if any(each.is_flag for each in found):
        return "is a switch, which no command line could take back; options with a value are kept"
    if found:
        return "names a file to be written, another one each time: it cannot be kept"
    like = sorted({each for each in all_keys() if ("." in each) == bool(dot)})
    near = difflib.get_close_matches(key, like, n=_N_OFFERED)
    meant = f"; did you mean {' or '.join(near)}?" if near else "; `harness config --help`"
    return f"is no option of {f'`harness {verb}`' if verb in _verbs() else 'any command'}{meant}"


def check(
    option: click.Option, value: object, where: str, context: click.Context
) -> str | tuple[str, ...]:
    """
    `value`, as a file in TOML or YAML has it, as it would be typed; several of an option that is
    repeated.

    Raises:
        UsageError: The option does not take it; the message says what it takes.
    """
    return _value_of(option, value, where, context)


def option_of(command: click.Command, name: str) -> click.Option:
    """The option of that key, without the command."""
    return next(
        each
        for each in command.params
        if isinstance(each, click.Option) and f"--{name}" in each.opts
    )


def shown(value: object) -> str:
    """A value of the file as one would type it."""
    text = _text_of(value)
    return _shown(text) if text is not None else str(value)


def _verbs() -> list[str]:
    return [name for name in known_commands() if " " not in name]


def _key_for(verb: str, option: click.Parameter, config: ConfigFile) -> str | None:
    """The key that sets it, unless the environment does."""
    name = option.opts[-1].lstrip("-")
    if os.environ.get(ENVIRONMENT.get(option.name or "", "")):
        return None
    keys = (f"{verb}.{name}", *(() if getattr(option, "is_own", False) else (name,)))
    return next((key for key in keys if key in config.values), None)


def _value_of(
    option: click.Option, value: object, where: str, context: click.Context
) -> str | tuple[str, ...]:
    text = _text_of(value)
    if text is None:
        raise UsageError(f"{where} is {type(value).__name__}; write it as text, in quotes")
    texts = text if isinstance(text, tuple) else (text,)
    if isinstance(option.type, Place):  # a shell would have done it
        texts = tuple(os.path.expanduser(each) for each in texts)  # noqa: PTH111
    text = texts if option.multiple else ",".join(texts)
    try:
        option.type_cast_value(context, text)
    except click.BadParameter as error:
        raise UsageError(f"{where}: {error.message.rstrip('.')}") from None
    return text


def _text_of(value: object) -> str | tuple[str, ...] | None:
    """As it would be typed; None of what cannot be."""
    match value:
        case bool():
            return "on" if value else "off"
        case str() | int() | float():
            return str(value)
        case list():
            texts = [_text_of(each) for each in value]
            plain = tuple(each for each in texts if isinstance(each, str))
            return plain if len(plain) == len(texts) else None
        case _:
            return None


def _shown(text: str | tuple[str, ...]) -> str:
    return text if isinstance(text, str) else ", ".join(text)

"""`harness config`: defaults of options, kept in a file."""

from __future__ import annotations

import click

from harness.commandline import config, config_file, options
from harness.commandline.output import Output, output_options
from harness.commands.config import edit, listed, page
from harness.errors import ExitCode, UsageError


@click.group(
    "config",
    invoke_without_command=True,
    epilog=options.examples(
        "harness config set threads 4",
        "harness config set run.workload pp512,tg128,tg128@d4096",
    ),
)
@output_options
@click.pass_context
def command(context: click.Context, output: Output) -> int | None:
    """
    Show the defaults that are kept, where each is from, and what is wrong with one.

    A key is the name of an option: `threads` for every command that has it, `run.threads` for one
    alone. The command line wins over the environment, and that over the file, config.toml in the
    user's configuration folder (HARNESS_CONFIG names another).
    """
    # What stands before the subcommand holds for it as well, unless it says otherwise.
    context.default_map = dict.fromkeys(("set", "unset", "path"), output.given)
    if context.invoked_subcommand:
        return None
    found = listed.listed(config_file.read_config(), lambda *each: _objection(context, *each))
    code = ExitCode.ERROR if any(each.problem for each in found.settings) else ExitCode.DONE
    return output.show(page.list_page(found), found, code, hint=page.list_hint(found))


@command.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("key", type=options.Word("key"))
@click.argument("values", type=options.Word("kept value"), nargs=-1, metavar="VALUE...")
@output_options
@click.pass_context
def set_command(context: click.Context, key: str, values: tuple[str, ...], output: Output) -> int:
    """
    Keep VALUE as the default of KEY, after checking that the option takes it.

    An option that may be repeated (`catalog`) takes several. Comments in the file stay.
    """
    _require_value(context, key, values)
    if why := config.unknown(key):
        raise UsageError(f"{key} {why}")
    is_many = any(each.is_many for each in config.parameters_of(key).values())
    if len(values) > 1 and not is_many:
        raise UsageError(f"{key} takes one value; lists have commas in them")
    value = [*values] if is_many else values[0]
    if why := _objection(context, key, value):
        raise UsageError(why)
    kept = edit.keep(config_file.read_config(), key, value)
    return output.show(page.kept_page(kept), kept)


@command.command("unset")
@click.argument("key", type=options.Word("kept key"))
@output_options
def unset_command(key: str, output: Output) -> int:
    """Forget the default of KEY."""
    forgotten = edit.forget(config_file.read_config(), key)
    return output.show(page.forgotten_page(forgotten), forgotten)


@command.command("path")
@output_options
def path_command(output: Output) -> int:
    """Print where the file lies, or would lie."""
    path = config_file.config_path()
    return output.show(page.path_page(path), listed.PathDocument(path))


def _require_value(context: click.Context, key: str, values: tuple[str, ...]) -> None:
    """Nothing, if there is a value and no unknown option: -1 is a value, so click lets all pass."""
    for word in (key, *values):
        if word[:1] == "-" and word.lstrip("-")[:1].isalpha():
            raise click.NoSuchOption(word.partition("=")[0], ctx=context)
    if not values:
        raise click.UsageError("Missing argument 'VALUE'", context)


def _objection(context: click.Context, key: str, value: object) -> str | None:
    """Why a command that has this option does not take the value; None where all do."""
    root = context.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    for verb in config.parameters_of(key):
        found = group.get_command(root, verb)
        assert found is not None
        option = config.option_of(found, key.rpartition(".")[2])
        where = key if "." in key else f"{key} (as `harness {verb}` takes it)"
        try:
            config.check(option, value, where, context)
        except UsageError as error:
            return str(error)
    return None

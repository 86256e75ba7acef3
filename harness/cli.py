"""The `harness` command: its verbs, and the one place that prints an error and exits."""

from __future__ import annotations

import difflib
import gc
import importlib
import os
import sys
from typing import NoReturn

import click

from harness import __version__, interrupts, scratch
from harness.commandline import stream
from harness.commandline.refusal import refusal
from harness.errors import ExitCode, HarnessError
from harness.models.hub.address import require_endpoint

# What people want to do, and the verbs for it with their one-line help. The modules are imported
# when their verb is used: `--help` must not wait for numpy.
_GROUPS = {
    "Before a download": {
        "models": "What can be fetched, whose it is, how big it is, and what is here already.",
        "fit": "Will a model run here, with how much memory, how fast: before any download.",
        "rehearse": "Measure random-weight twins of models, without downloading them.",
        "claim": "Which open-weight models a consumer can run: all of them, on several machines.",
    },
    "Fetch and measure": {
        "pull": "Fetch models, verified, without measuring them.",
        "run": "Measure models on this machine: tokens per second, latency, memory.",
        "quality": "What a quantization costs: perplexity, KL divergence, same-top tokens.",
    },
    "Compare and choose": {
        "compare": "Which of two is faster: measured side by side, or as stored.",
        "quantize": "Make other quantizations of a model, from the best file at hand.",
        "frontier": "The quantizations of a model on one page, and which to take here.",
        "gate": "Is a result worse than its baseline by more than allowed? For CI.",
        "baseline": "Results kept under a name, for `harness gate`.",
    },
    "Keep and pass on": {
        "show": "The stored results, as tables.",
        "report": "The stored results as one HTML file to look at and to pass on.",
        "share": "A result to pass on: without who and where, and with a picture of it.",
        "export": "The stored results in llama-bench's own formats.",
        "import": "Results of llama-bench, to be shown and compared with one's own.",
    },
    "This machine": {
        "machine": "What this machine is, how fast its memory is, what could spoil a figure.",
        "endpoints": "Which model servers answer here, and what they serve.",
        "fleet": "Several machines, measured from this one: over ssh, or on a Dask cluster.",
        "rpc": "This machine's devices for a model larger than another one, by llama.cpp's RPC.",
        "cache": "What the models on this disk take, and removing them.",
        "config": "Defaults of options, kept in a file.",
        "completion": "The script with which bash, zsh or fish completes commands and values.",
    },
}
_COMMANDS = {verb: told for verbs in _GROUPS.values() for verb, told in verbs.items()}

# Commands that share a package with others.
_ELSEWHERE = {
    "baseline": "gate.baseline_command",
    "export": "exchange.export_command",
    "import": "exchange.import_command",
}


# What a wrong file of defaults is mended with, and what has no use for them.
_WITHOUT_DEFAULTS = ("config", "completion", "rpc", "fleet")


class _Verbs(click.Group):
    """Commands that are imported only when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if ctx.resilient_parsing:  # a shell asks what may follow, and waits for the answer
            from harness.commandline.shells import completing

            return completing(cmd_name)
        require_endpoint()  # else importing what asks the hub could end in a traceback
        module = _ELSEWHERE.get(cmd_name, f"{cmd_name}.command")
        gc.disable()  # nothing that is imported is garbage, and looking for some takes a while
        try:
            command = importlib.import_module(f"harness.commands.{module}").command
        finally:
            gc.enable()
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click looks for what is meant among commands that are imported.
        if args[0] not in _COMMANDS:
            if ctx.resilient_parsing:
                return None, None, args
            near = difflib.get_close_matches(args[0], _COMMANDS)
            meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{meant}")
        verb, command, rest = super().resolve_command(ctx, args)
        # Only now: what is raised while modules are made, pydantic's among them, may get lost.
        interrupts.raise_once()
        if command is not None and not ctx.resilient_parsing and verb not in _WITHOUT_DEFAULTS:
            _give_defaults(args[0], command, ctx, rest)
        return verb, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        # click would import every command for its help.
        width = max(map(len, _COMMANDS))
        for heading, verbs in _GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(verb.ljust(width), told) for verb, told in verbs.items()])


def _give_defaults(verb: str, command: click.Command, ctx: click.Context, rest: list[str]) -> None:
    """What the user keeps as defaults of the command; help is shown whatever that is."""
    from harness.commandline.config import give_defaults  # with pydantic, as most commands have it

    try:
        give_defaults(verb, command, ctx)
    except HarnessError:
        if not {"-h", "--help"} & {*rest}:
            raise
    kept = (ctx.default_map or {}).get(verb, {})
    if kept.get("table_format") == "json" and not any(it.startswith("--format") for it in rest):
        stream.expect_json()


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="harness")
def group() -> None:
    """
    Is this open-weight model really runnable on this machine? Measured, with evidence.

    `harness run` measures the default model; `harness models` shows what else there is. Each
    command has a --help of its own, with examples.
    """


def main() -> None:
    """Runs the command line; ends the process with the right exit code."""
    interrupts.end_at_once()
    stream.prepare()
    try:
        _answer()
    except KeyboardInterrupt:  # while the answer of a command was on its way
        _fail(interrupts.sentence(), ExitCode.INTERRUPTED)


def _answer() -> NoReturn:
    if "_HARNESS_COMPLETE" in os.environ:
        from harness.commandline.shells import prepare_shells

        prepare_shells()
    try:
        # Named, or `python -m harness` would call itself that in its help.
        exit_code = group.main(prog_name="harness", standalone_mode=False)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _fail(interrupts.sentence(), ExitCode.INTERRUPTED)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        _end(error.exit_code)
    except click.UsageError as error:
        _fail(_usage_message(error), ExitCode.USAGE)
    except click.ClickException as error:
        _fail(error.format_message(), ExitCode.ERROR)
    except HarnessError as error:
        _fail(str(error), error.exit_code)
    except (OSError, MemoryError, RuntimeError) as error:
        told = refusal(error)
        if told is None:
            raise
        _fail(told, ExitCode.ERROR)
    _end(exit_code if isinstance(exit_code, int) else ExitCode.DONE)


def _usage_message(error: click.UsageError) -> str:
    """One line where click would print four."""
    command = error.ctx.command_path if error.ctx else "harness"
    message = error.format_message().rstrip(".")
    return f"{message}{'' if message.endswith('?') else ';'} see `{command} --help`"


def _fail(message: str, exit_code: ExitCode) -> NoReturn:
    if stream.asks_for_json(sys.argv[1:]) and not stream.has_answered():
        # Imported here, with pydantic: other errors are said without waiting for it.
        from harness.report.failure import failure

        code = interrupts.exit_code() if exit_code == ExitCode.INTERRUPTED else exit_code
        stream.write(failure(message, code))
    stream.write_error(message)
    _end(exit_code)


def _end(exit_code: int) -> NoReturn:
    # All is said and stored: a Ctrl-C while Python cleans up would only kill it, and hide the code.
    interrupts.ignore()
    scratch.remove_rest()
    # Or Python looks once more through all that was imported for what nobody misses.
    gc.freeze()
    if exit_code == ExitCode.INTERRUPTED:
        # Not after threads that wait for a server; all that was written is flushed already.
        os._exit(interrupts.exit_code())
    sys.exit(exit_code)

"""`harness completion`: the script with which a shell completes command lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import click

from harness.commandline import options, stream
from harness.commandline.output import Output
from harness.commandline.shells import INSTALL, SHELLS, script
from harness.errors import UsageError

_OF_WINDOWS = ("powershell", "pwsh", "cmd")


class _Shell(click.Choice):  # type: ignore[type-arg]  # generic only in new versions
    """One of SHELLS; who has none of them is told what to do."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).lower() in _OF_WINDOWS:
            raise UsageError(
                f"{value} cannot be completed yet: type whole words there, or use bash (of Git for "
                "Windows or WSL), zsh or fish"
            )
        return super().convert(value, param, ctx)


@dataclass(frozen=True)
class CompletionDocument:
    """The script of a shell, and the line that has it loaded by every new one."""

    shell: str
    script: str
    install: str


@click.command(
    "completion",
    epilog=options.examples(
        "harness completion bash",
    ),
)
@click.argument("shell", type=_Shell(SHELLS))
@options.json_option
def command(shell: str, as_json: bool) -> int:
    """
    Print the script with which SHELL completes commands, options and their values.

    Its first lines say how to have it in every new shell. Values are completed too: models and
    their variants, workloads, stored experiments, baselines. Nothing is measured or fetched
    for it.
    """
    text = script(shell)
    if not as_json:
        stream.write(text, end="")
    shown = Output("json" if as_json else "plain")
    return shown.show((), CompletionDocument(shell, text, INSTALL[shell]))

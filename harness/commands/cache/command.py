"""`harness cache`: what takes how much space, and removing it by name."""

from __future__ import annotations

from collections.abc import Sequence

import click

from harness import units
from harness.commandline import options, stream
from harness.commandline.output import Output, output_options
from harness.commands.cache.page import CacheResult, RemovedResult, page
from harness.errors import UsageError
from harness.models.cache import contents, find_kept, remove
from harness.models.digest import cache_dir
from harness.models.hub.cache import cache_root


@click.group(
    "cache",
    invoke_without_command=True,
    epilog=options.examples(
        "harness cache",
        "harness cache rm smollm2-135m",
    ),
)
@output_options
@click.pass_context
def command(context: click.Context, output: Output) -> None:
    """
    Show what the models on this disk take, the largest first.

    Two folders hold them: the Hugging Face cache, which other programs use too, and the
    harness's own. `harness cache rm NAME` removes something of this list.
    """
    if not context.invoked_subcommand:
        result = CacheResult(contents(), cache_root(), cache_dir())
        output.show(page(result), result)
    # What stands before the subcommand holds for it as well, unless it says otherwise.
    context.default_map = {"rm": output.given}


@command.command("rm")
@click.argument("names", type=options.Word("kept"), nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_options
def remove_command(names: Sequence[str], yes: bool, output: Output) -> int:
    """
    Remove what is called NAMES in `harness cache`, or the file of a model, after asking.

    Of the hub's, other programs lose it too: they share that folder.
    """
    chosen = find_kept(names, contents())
    for each in chosen:
        stream.write(f"{each.name}  {units.file_size(each.n_bytes)}  {each.path}", err=True)
    if not yes and not _agreed():
        stream.write("nothing was removed", err=True)
        return output.show((), RemovedResult(()))
    for each in chosen:
        remove(each)
    result = RemovedResult(tuple(chosen))
    stream.write(f"removed {units.file_size(result.n_bytes)}", err=True)
    return output.show((), result)


def _agreed() -> bool:
    try:
        return stream.confirm("Remove this?")
    except click.Abort:
        if stream.has_person():
            raise
        stream.write("", err=True)  # the end of the question's line
        raise UsageError("nobody is here to be asked; --yes removes it without asking") from None

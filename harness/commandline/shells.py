"""
What a shell runs when Tab is pressed, and how it is answered: bash, zsh and fish.

The mechanism is click's (`_HARNESS_COMPLETE`); the scripts are our own where click's would cut a
value at its comma (fish) or colon (bash), or know only an installed program. What is offered are
plain words (commandline/candidates.py): a script never lets a shell read them as anything else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
    split_arg_string,
)

from harness.commandline.candidates import Line, candidates
from harness.commandline.config_file import ConfigInvalid, read_config
from harness.commandline.surface import Parameter, stand_in

SHELLS = ("bash", "zsh", "fish")

INSTALL: Mapping[str, str] = {
    "bash": """echo 'eval "$(harness completion bash)"' >> ~/.bashrc""",
    "zsh": """echo 'eval "$(harness completion zsh)"' >> ~/.zshrc""",
    "fish": "harness completion fish > ~/.config/fish/completions/harness.fish",
}
"""What to type once, so that every new shell completes."""

# From bash 4.4 on the order of the answer can be kept, from 4.0 on files be left to bash.
_BASH = """\
%(complete_func)s() {
    local line value
    COMPREPLY=()
    while IFS= read -r line; do
        value=${line#*,}
        case $line in
            plain,*) COMPREPLY+=("$value") ;;
            dir,*) compopt -o dirnames 2>/dev/null ;;
            file,*) compopt -o default 2>/dev/null ;;
        esac
    done <<< "$(COMP_LINE="${COMP_LINE:0:$COMP_POINT}" COMP_BREAKS="$COMP_WORDBREAKS" \\
        %(complete_var)s=bash_complete "${1/#~\\//$HOME/}" 2>/dev/null)"
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace 2>/dev/null
    return 0
}

complete -o nosort -F %(complete_func)s %(prog_name)s 2>/dev/null ||
    complete -o default -F %(complete_func)s %(prog_name)s
"""

_ZSH = """\
#compdef %(prog_name)s

%(complete_func)s() {
    local -a plain described unfinished response
    local type key about program=${words[1]/#\\~\\//$HOME/}
    (( $+commands[$program] )) || [[ -x $program ]] || return 1
    response=("${(@f)$(COMP_WORDS="${words[*]}" COMP_CWORD=$((CURRENT-1)) \\
        %(complete_var)s=zsh_complete "$program" 2>/dev/null)}")
    for type key about in "${response[@]}"; do
        case $type in
            plain)
                if [[ $key == *= ]]; then unfinished+=("$key")
                elif [[ $about == _ ]]; then plain+=("$key")
                else described+=("$key:$about"); fi ;;
            dir) _path_files -/ ;;
            file) _path_files -f ;;
        esac
    done
    (( $#described )) && _describe -V unsorted described -U
    (( $#plain )) && compadd -U -V unsorted -a plain
    (( $#unfinished )) && compadd -U -S "" -V unsorted -a unfinished
    return 0
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    %(complete_func)s "$@"
else
    (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
    compdef %(complete_func)s %(prog_name)s
fi
"""

_FISH = """\
function %(complete_func)s
    set -l program (commandline -opc)[1]
    set -l response (%(complete_var)s=fish_complete COMP_WORDS=(commandline -cp) \\
        COMP_CWORD=(commandline -t) $program 2>/dev/null)
    for line in $response
        set -l parts (string split -m 1 "," -- $line)
        switch $parts[1]
            case plain
                echo $parts[2]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
        end
    end
end

complete --no-files --command %(prog_name)s --arguments "(%(complete_func)s)"
"""


class _Bash(BashComplete):
    """The words as bash has them between blanks; it replaces what is behind its last break."""

    source_template = _BASH

    @staticmethod
    def _check_version() -> None:
        """Every bash that is in use, that of macOS too."""

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ["COMP_LINE"]
        words = split_arg_string(line)
        if not line or line[-1].isspace():
            return words[1:], ""
        return words[1:-1], words[-1] if words[1:] else ""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        kept = _n_kept(incomplete, os.environ["COMP_LINE"], os.environ.get("COMP_BREAKS", ""))
        found = _whole_words(super().get_completions(args, incomplete), incomplete)
        for item in found:
            item.value = item.value[kept:] if item.type == "plain" else item.value
        return found


class _Zsh(ZshComplete):
    source_template = _ZSH

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        return _whole_words(super().get_completions(args, incomplete), incomplete)


class _Fish(FishComplete):
    source_template = _FISH

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem[str]]:
        return _whole_words(super().get_completions(args, incomplete), incomplete)


def _whole_words(items: list[CompletionItem[str]], incomplete: str) -> list[CompletionItem[str]]:
    """With the option before its value where both are one word: click takes it away."""
    option = re.match(r"--?[\w-]+=", incomplete)
    if option is None:
        return items
    for item in items:
        item.value = f"{option[0]}{item.value}" if item.type == "plain" else item.value
    return items


def _n_kept(incomplete: str, line: str, breaks: str) -> int:
    """How many characters of the word bash takes for words of their own; none within quotes."""
    last = line.split()[-1] if line.split() else ""
    if last[:1] in ("'", '"'):
        return 0
    ends = [incomplete.rfind(mark) + 1 for mark in ":=" if mark in breaks]
    return max(ends, default=0)


_CLASSES: Mapping[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def prepare_shells() -> None:
    """Makes click answer with these scripts."""
    for name, shell in _CLASSES.items():
        add_completion_class(shell, name)


def script(shell: str) -> str:
    """The script of a shell, with a line on how to install it."""
    made = _CLASSES[shell](click.Group("harness"), {}, "harness", "_HARNESS_COMPLETE").source()
    about = f"# To have it in every new {shell}:\n#   {INSTALL[shell]}\n"
    first, _, rest = made.partition("\n")
    # zsh looks for this word in the first line of a file.
    return f"{first}\n{about}{rest}" if first.startswith("#compdef") else about + made


def completing(name: str) -> click.Command:
    """What stands for the command `name` while a line is completed."""
    return stand_in(name, _offered)


def _offered(known: Parameter, context: click.Context, typed: str) -> list[CompletionItem[str]]:
    """What click hands to the shell for a value of that parameter."""
    line = Line(
        results=_results(context),
        catalogs=tuple(map(Path, context.params.get("catalogs") or ())),
        is_stored=bool(context.params.get("stored")),
        key=context.params.get("key") or "",
    )
    items = [
        CompletionItem(each.value, help=each.about or None)
        for each in candidates(known, line, typed)
    ]
    if known.kind in _FOLDERS:
        items.append(CompletionItem(typed, type="dir"))
    elif known.kind in _FILES:
        items.append(CompletionItem(typed, type="file"))
    return items


_FOLDERS = ("folder",)
# Beside their names models and experiments are known by their files.
_FILES = ("file", "model", "side", "selector", "experiment", "judged against")


def _given(context: click.Context | None, name: str) -> str | None:
    """The value of an option of the line so far, before a subcommand too."""
    while context is not None:
        if value := context.params.get(name):
            return str(value)
        context = context.parent
    return None


def _results(context: click.Context) -> Path:
    """As the command would have it."""
    named = _given(context, "results") or os.environ.get("HARNESS_RESULTS")
    if not named:
        with suppress(ConfigInvalid):
            values = read_config().values
            kept = values.get(f"{context.info_name}.results") or values.get("results")
            named = kept if isinstance(kept, str) else None
    return Path(os.path.expanduser(named or "results"))  # noqa: PTH111 - ~nobody is a name, too

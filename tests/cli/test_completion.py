from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import CompletionItem, get_completion_class

from cli.commandline import Home
from harness import cli
from harness.commandline.shells import SHELLS, prepare_shells, script
from harness.schema.workload import KINDS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the shells are those of Unix")

# What bash has where nobody changed it.
_BREAKS = " \t\n\"'><=;|&(:"
_ASK = """
source "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=$3
_harness_completion harness
printf '%s\\n' "${COMPREPLY[@]}"
"""

# A key that shows the line being edited, and whoever presses it behind Tab.
_SHOWING = """
show() { zle -I; print -r -- "<$BUFFER>" }
zle -N show
bindkey '^X' show
print ready
"""
_TYPING = """
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PS1=; source $1"
zpty -r z seen '*ready*'
zpty -n -w z "$2"$'\\t\\C-x'
zpty -r z seen '*<*>*'
print -r -- "$seen"
zpty -d z
"""


class Shell:
    """A shell with the script sourced, in a user's folder."""

    def __init__(self, home: Home, name: str = "bash") -> None:
        self.home = home
        self.folder = home.folder
        self._script = home.temporary / f"harness.{name}"
        done = home.harness("completion", name)
        assert (done.exit_code, done.stderr) == (0, "")
        self._script.write_text(done.stdout, "utf-8")
        programs = home.temporary / "bin"
        programs.mkdir()
        program = programs / "harness"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m harness "$@"\n', "utf-8")
        program.chmod(0o755)
        self._path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def offers(self, line: str, breaks: str = _BREAKS) -> list[str]:
        """What bash would put in place of the last word, as far as it takes it for one."""
        done = subprocess.run(
            ["bash", "--norc", "-c", _ASK, "bash", str(self._script), line, breaks],
            cwd=self.folder,
            env=self.home.environment(PATH=self._path),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    def fish(self, line: str) -> list[str]:
        """What fish offers for the last word."""
        code = "source $argv[1]; complete -C $argv[2]"
        command = ["fish", "--no-config", "-c", code, str(self._script), line]
        done = subprocess.run(
            command, cwd=self.folder, env=self._seen(), capture_output=True, text=True, check=True
        )
        return [each.partition("\t")[0] for each in done.stdout.splitlines()]

    def zsh(self, line: str) -> str:
        """What stands on the line of a terminal with zsh once Tab is pressed."""
        settings = self.home.temporary / "settings.zsh"
        settings.write_text(f"source '{self._script}'\n{_SHOWING}", "utf-8")
        command = ["zsh", "-f", "-c", _TYPING, "zsh", str(settings), line]
        done = subprocess.run(
            command, cwd=self.folder, env=self._seen(), capture_output=True, text=True, timeout=60
        )
        return done.stdout.partition("<")[2].partition(">")[0]

    def _seen(self) -> dict[str, str]:
        return self.home.environment(PATH=self._path, TERM="dumb")


@pytest.fixture
def shell(home: Home) -> Shell:
    if shutil.which("bash") is None:
        pytest.skip("no bash here")
    return Shell(home)


def test_bash_completes_commands_options_choices_and_values(shell: Shell) -> None:
    assert shell.offers("harness ru") == ["run"]
    assert shell.offers("harness run --thr") == ["--threads"]
    assert shell.offers("harness run -ctk q8") == ["q8_0"]
    assert shell.offers("harness run --workload pp512,tg128@") == ["pp512,tg128@d4096"]


def test_bash_gets_of_a_word_what_is_behind_its_colon_or_sign(shell: Shell) -> None:
    assert shell.offers("harness run smollm2-135m:") == ["Q4_1", "Q4_K_M", "Q8_0"]
    # As in a shell whose owner took the colon out.
    whole = shell.offers("harness run smollm2-135m:q4_1", breaks=" \t\n")
    assert whole == ["smollm2-135m:Q4_1"]
    assert shell.offers('harness run "smollm2-135m:Q8') == ["smollm2-135m:Q8_0"]
    assert shell.offers("harness run --flash-attn=o") == ["on", "off"]


def test_what_others_named_is_neither_run_nor_offered(shell: Shell) -> None:
    names = ["$(touch pwned)", "`touch pwned`", "a\nb", "x; touch pwned", "-rf", "it's", "a b", "é"]
    baselines = shell.home.results / "baselines"
    repositories = shell.home.cache / "hub"
    baselines.mkdir(parents=True)
    for name in [*names, "main"]:
        (baselines / f"{name}.jsonl").touch()
        (shell.home.results / f"{name}.jsonl").touch()
        (repositories / f"models--{name}--x").mkdir(parents=True, exist_ok=True)
    before = sorted(shell.folder.iterdir())

    assert shell.offers("harness baseline remove ") == ["main"]
    assert shell.offers("harness gate --baseline ") == ["main", "best", "latest"]
    assert shell.offers("harness show ") == ["latest"]
    assert shell.offers("harness show $(touch pwned) --res") == ["--results"]
    assert sorted(shell.folder.iterdir()) == before


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
def test_fish_completes_values_with_commas_and_behind_a_sign(home: Home) -> None:
    shell = Shell(home, "fish")

    assert shell.fish("harness run smollm2-135m:q4") == ["smollm2-135m:Q4_1", "smollm2-135m:Q4_K_M"]
    assert shell.fish("harness run -w pp512,su") == ["pp512,sustain60"]
    assert shell.fish("harness run --workload=su") == ["--workload=sustain60"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
def test_zsh_completes_as_a_person_types(home: Home) -> None:
    shell = Shell(home, "zsh")

    assert shell.zsh("harness ru") == "harness run "
    assert shell.zsh("harness run smollm2-135m:Q8") == "harness run smollm2-135m:Q8_0 "
    assert shell.zsh("harness compare --stored thre") == "harness compare --stored threads="
    assert shell.zsh("harness run --flash-attn=of") == "harness run --flash-attn=off "


# ------------------------------------------------------------------ any shell, by click's own way


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that holds all there is for whoever completes."""
    for variable in ("HOME", "HARNESS_CACHE", "HARNESS_CONFIG", "HF_HUB_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    monkeypatch.delenv("HARNESS_RESULTS", raising=False)
    monkeypatch.delenv("OLLAMA_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)
    prepare_shells()
    return tmp_path


def offers(*words: str) -> list[str]:
    """What may stand in place of the last word."""
    return [item.value for item in items(*words) if item.type == "plain"]


def items(*words: str) -> list[CompletionItem[str]]:
    found = get_completion_class("zsh")
    assert found is not None
    *before, last = words
    shell = found(cli.group, {}, "harness", "_HARNESS_COMPLETE")
    return shell.get_completions(before, last)


def test_every_command_offers_all_its_options(folder: Path) -> None:
    for verb in cli.group.list_commands(click.Context(cli.group)):
        command = cli.group.get_command(click.Context(cli.group), verb)
        assert command is not None
        named = {name for each in command.params if each.opts[0][0] == "-" for name in each.opts}
        long = {name for name in named if name.startswith("--")}
        assert long | {"--help"} == set(offers(verb, "--"))


def test_names_of_the_catalogue_are_offered_and_behind_a_colon_their_variants(folder: Path) -> None:
    own = folder / "harness_config" / "models.yaml"
    own.parent.mkdir()
    own.write_text("models:\n- name: my-own\n  variants:\n  - quantization: Q6_K\n", "utf-8")
    more = folder / "more.yaml"
    more.write_text("models:\n  - name: more\n    aliases: [other]\n", "utf-8")

    assert offers("fit", "my-") == ["my-own"]
    assert offers("fit", "my-own:") == ["my-own:Q6_K"]
    assert offers("pull", "--catalog", "more.yaml", "oth") == ["other"]
    assert "qwen3-4b" in offers("quality", "qwen3-4b", "--reference", "qwen3-")


def test_what_is_on_this_disk_is_offered_by_its_name(folder: Path) -> None:
    snapshot = folder / "hf_hub_cache" / "models--some--Model-GGUF" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "Model-Q4_K_M.gguf").write_bytes(b"GGUF")
    made = folder / "harness_cache" / "models" / "ladder-smollm2-135m"
    made.mkdir(parents=True)
    (made / "smollm2-135m-Q5_K_M-from-Q8_0.gguf").write_bytes(b"GGUF")

    assert offers("run", "some/") == ["some/Model-GGUF:Q4_K_M"]
    assert "smollm2-135m:Q5_K_M" in offers("frontier", "smollm2-135m:")
    assert [item.type for item in items("run", "some/")] == ["plain", "file"]


def test_lists_go_on_behind_their_commas_without_repeats(folder: Path) -> None:
    usual = [*(example for kind in KINDS for example in kind.examples), "tasks"]
    assert {"pp512", "tg128@d4096", "tg128x4", "chat", "sustain60"} <= {*usual}
    assert offers("run", "-w", "") == usual
    assert offers("run", "-w", "chat,") == [f"chat,{name}" for name in usual if name != "chat"]
    assert offers("run", "-w", "pp2048") == ["pp2048", "pp2048@d4096", "pp2048x4"]
    assert offers("run", "-w", "pp2048x8") == ["pp2048x8", "pp2048x8@d4096"]
    assert offers("compare", "--metric", "tok_per_s,pe") == ["tok_per_s,peak"]


def test_selectors_are_completed_from_what_is_stored(folder: Path) -> None:
    examples = Path(__file__).resolve().parents[2] / "results" / "examples"
    shutil.copytree(examples, folder / "results")
    (folder / "results" / "damaged.jsonl").write_text("{", "utf-8")
    ids = [path.stem.rpartition("-")[2] for path in sorted(examples.glob("*.jsonl"))]

    assert offers("show", "") == ["latest", *reversed(ids)]
    assert offers("export", "latest", "") == offers("show", "")
    asked = offers("compare", "--stored", "latest,th")
    assert asked == ["latest,threads="]
    assert "threads=2" in offers("compare", "--stored", "threads=")
    assert "tiny-random:Q8_0" in offers("compare", "--stored", "tiny")
    assert offers("compare", "--stored", "build=")
    assert offers("report", "latest,threads=") == offers("compare", "--stored", "latest,threads=")
    assert "latest" not in offers("compare", "")
    assert offers("show", "--results", str(folder), "") == ["latest"]


def test_what_is_said_beside_a_value_is_one_printable_line(folder: Path) -> None:
    device = {"name": "CUDA0", "description": "a card\nplain\n$(x)\x1b[31m" + "x" * 300}
    record = {"provenance": {"engine": {"devices": [device, {"name": "a b"}, {"name": 7}]}}}
    (folder / "results").mkdir()
    (folder / "results" / "x.jsonl").write_text(json.dumps(record), "utf-8")
    config = folder / "harness_config" / "config.toml"
    config.parent.mkdir()
    config.write_text('budget = "5m\\nplain\\nx"', "utf-8")

    named = [item for item in items("run", "--device", "") if item.type == "plain"]
    assert [item.value for item in named] == ["CUDA0", "7"]
    kept = items("config", "unset", "")
    assert [item.value for item in kept] == ["budget"]
    for item in (*named, *kept):
        assert (item.help or "").isprintable()
        assert len(item.help or "") <= 80


def test_keys_and_values_of_defaults_are_completed(folder: Path) -> None:
    assert offers("config", "set", "run.cache-type") == ["run.cache-type-k", "run.cache-type-v"]
    assert "threads" in offers("config", "set", "th")
    assert offers("config", "set", "flash-attn", "o") == ["on", "off"]
    assert offers("config", "set", "run.workload", "chat,tg128x") == ["chat,tg128x4"]


def test_kept_results_are_those_whose_experiments_are_offered(folder: Path) -> None:
    config = folder / "harness_config" / "config.toml"
    config.parent.mkdir()
    config.write_text('results = "~/mine"', "utf-8")
    name = "20261128T202905Z-aa07c68e9167-c2b1dd83.jsonl"
    (folder / "home" / "mine").mkdir(parents=True)
    (folder / "home" / "mine" / name).touch()

    assert offers("show", "c2") == ["c2b1dd83"]
    config.write_text("results = ", "utf-8")
    assert offers("show", "c2") == []


def test_a_line_that_is_wrong_offers_nothing_and_breaks_nothing(folder: Path) -> None:
    assert offers("no-such-command", "x") == []
    assert offers("run", "--no-such-option", "x", "--thr") == ["--threads"]
    assert offers("run", "--threads", "") == []


def test_completing_needs_neither_the_engine_nor_what_commands_import(folder: Path) -> None:
    code = (
        "import os, sys; os.environ.update(COMP_LINE='harness run smol',"
        "_HARNESS_COMPLETE='bash_complete')\n"
        "from harness import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *answer, modules = done.stdout.splitlines()

    assert "plain,smollm2-135m" in answer
    heavy = {"llama_cpp", "numpy", "yaml", "rich", "huggingface_hub", "httpx2", "psutil"}
    assert heavy & set(modules.split()) == set()


@pytest.mark.parametrize("name", SHELLS)
def test_a_script_says_how_to_install_it_and_its_shell_reads_it(name: str, tmp_path: Path) -> None:
    text = script(name)

    assert f"harness completion {name}" in "".join(text.splitlines()[:4])
    if shutil.which(name):
        path = tmp_path / "script"
        path.write_text(text, "utf-8")
        done = subprocess.run([name, "-n", str(path)], capture_output=True, text=True, check=True)
        assert done.stderr == ""


def test_the_script_is_one_document_too(home: Home) -> None:
    done = home.harness("completion", "fish", "--json")

    assert done.document["shell"] == "fish"
    assert done.document["script"] == home.harness("completion", "fish").stdout
    assert "fish/completions" in done.document["install"]


def test_an_unknown_shell_is_wrong_usage(home: Home) -> None:
    assert "'bash', 'zsh', 'fish'" in home.harness("completion", "tcsh").error()


def test_a_shell_of_windows_is_told_what_to_use_instead(home: Home) -> None:
    done = home.harness("completion", "PowerShell")

    assert done.exit_code == 2
    assert done.error() == (
        "PowerShell cannot be completed yet: type whole words there, or use bash (of Git for "
        "Windows or WSL), zsh or fish"
    )

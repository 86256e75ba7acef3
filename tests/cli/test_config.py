from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from cli.commandline import Home

_CATALOGUE = """\
schema: 1
models:
  - name: mine
    lab: Me
    country: null
    licence: MIT
    variants:
      - quantization: Q8_0
        source: {kind: hub, repo: me/mine-GGUF}
"""


def path_of(home: Home) -> Path:
    return home.folder / "config" / "config.toml"


def written(home: Home, text: str) -> Path:
    path = path_of(home)
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def plan(home: Home) -> dict[str, object]:
    record = home.lines()[0]["plan"]
    assert isinstance(record, dict)
    return record


@pytest.mark.slow
def test_a_measurement_uses_what_is_kept_and_the_command_line_wins(home: Home) -> None:
    for key, value in {"threads": "1", "run.workload": "tg8", "runs": "1", "trials": "1"}.items():
        done = home.harness("config", "set", key, value)
        assert (done.exit_code, done.stderr) == (0, "")
        assert done.stdout == f"{key} = {value}\nKept in {path_of(home)}\n"

    assert home.harness("run", "tiny-random", "--trials", "2").exit_code == 0
    assert plan(home)["workloads"] == ["tg8"]
    assert plan(home)["n_runs_max"] == 1
    assert plan(home)["n_trials"] == 2


def test_the_environment_wins_over_the_file_and_the_command_line_over_both(home: Home) -> None:
    written(home, 'results = "of-file"\n')

    def folder(*arguments: str, **environment: str) -> str:
        return home.harness("show", *arguments, **environment).stderr.split()[3]

    assert folder() == "of-file"
    assert folder(HARNESS_RESULTS="") == "of-file"
    assert folder(HARNESS_RESULTS="of-environment") == "of-environment"
    assert folder("--results", "typed", HARNESS_RESULTS="of-environment") == "typed"


def test_a_kept_default_is_used_and_the_command_line_wins(home: Home) -> None:
    kept = home.harness("config", "set", "format", "csv")
    assert (kept.exit_code, kept.stderr) == (0, "")
    assert kept.stdout == f"format = csv\nKept in {path_of(home)}\n"

    assert home.harness("models").stdout.startswith("variant,n_params")
    assert home.harness("models", "--format", "tsv").stdout.startswith("variant\tn_params")


def test_a_table_of_one_command_wins_over_what_is_for_all(home: Home) -> None:
    written(home, 'format = "csv"\n[machine]\nformat = "tsv"\n[cache]\nformat = "json"\n')

    assert home.harness("models").stdout.partition("\n")[0].count(",") > 3
    assert home.harness("cache").stdout.startswith("{")
    # An option of that name that means something else is not meant.
    assert "llama-bench" not in home.harness("export").error()


def test_a_kept_format_gives_way_to_json_that_is_typed(home: Home) -> None:
    written(home, 'format = "github"\n')

    assert home.harness("cache", "--json").document
    written(home, 'format = "json"\n')
    assert home.harness("run", "nosuch").document["exit_code"] == 1
    assert home.harness("run", "nosuch", "--format", "plain").stdout == ""


def test_a_file_of_an_editor_that_marks_utf_8_is_read(home: Home) -> None:
    written(home, "\ufeffformat = 'csv'\r\n")

    assert home.harness("models").stdout.startswith("variant,n_params")
    assert home.harness("config", "set", "threads", "2").exit_code == 0
    assert path_of(home).read_bytes() == b"format = 'csv'\nthreads = 2\n"


def test_help_says_which_default_comes_from_the_file(home: Home) -> None:
    written(home, 'budget = "7m"\n')

    said = " ".join(home.harness("run", "--help").stdout.split())
    assert "(7m, from config.toml)" in said
    assert home.harness("run", "--help", HARNESS_CONFIG="/nowhere").stdout.count("7m") == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("\nthraeds = 2", ":2: thraeds is no option of any command; did you mean threads"),
        ("[run]\nworklod = 'chat'", ":2: run.worklod is no option of `harness run`; did you mean"),
        ("[rnu]\nruns = 2", ":2: rnu.runs is no option of any command; did you mean run.runs"),
        ("quiet = true", ":1: quiet is a switch, which no command line could take back"),
        ("[run]\n\nworkload = 'xx'", ":3: run.workload: 'xx' is not a workload; write pp512"),
        ("runs = 0", ":1: runs: 0 is not in the range 1<=x<=1000"),
        ("budget = 5", ":1: budget: "),
        ("threads = ['a', 1]", ":1: threads: 'a' is not a whole number"),
        ("threads = 2026-01-01", ":1: threads is date; write it as text"),
        ("[run.x]\ny = 1", ": run.x is no option of `harness run`"),
        ("results = 'tmp/../config/config.toml'", "is a file; name a folder"),
    ],
)
def test_what_is_wrong_in_the_file_stops_a_command_with_its_place(
    home: Home, text: str, said: str
) -> None:
    path = written(home, text)

    done = home.harness("run", "tiny-random")
    assert done.exit_code == 2
    assert done.error().startswith(str(path))
    assert said in done.error()
    assert not home.results.exists()


@pytest.mark.parametrize("data", [b"a = ", b"\xff", b"a" * 30_000, b"a = " + b"[" * 9000])
def test_a_file_that_cannot_be_read_is_one_line(home: Home, data: bytes) -> None:
    path = written(home, "")
    path.write_bytes(data)

    for arguments in (("cache",), ("config", "set", "threads", "1")):
        done = home.harness(*arguments)
        assert done.exit_code == 1
        assert done.error().startswith(str(path))
    assert path.read_bytes() == data


def test_help_is_shown_whatever_the_file_holds(home: Home) -> None:
    path = written(home, "a = ")

    assert home.harness("models", "--help").exit_code == 0
    assert home.harness("config", "path").stdout == f"{path}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names")
def test_a_pipe_in_its_place_is_not_waited_for(home: Home) -> None:
    path_of(home).parent.mkdir()
    os.mkfifo(path_of(home))

    assert "not an ordinary file" in home.harness("models").error()


@pytest.mark.parametrize(
    ("key", "values", "said"),
    [
        ("thread", ("2",), "did you mean threads"),
        ("threads", ("many",), "'many' is not a whole number"),
        ("run.workload", ("pp512", "chat"), "run.workload takes one value"),
        ("force", ("on",), "is a switch"),
        ("run.html", ("x.html",), "names a file to be written"),
        ("output", ("csv",), "there are share.output, export.output"),
        ("catalog", ("missing.yaml",), "there is no file missing.yaml"),
        ("flash-attn", ("maybe",), "maybe"),
        ("threads", (), "Missing argument 'VALUE'"),
        ("threads", ("--jsn",), "No such option '--jsn'"),
        ("gpu-layers", ("-2",), "-2 is not in the range x>=-1"),
    ],
)
def test_what_no_option_takes_is_not_kept(
    home: Home, key: str, values: tuple[str, ...], said: str
) -> None:
    done = home.harness("config", "set", key, *values)

    assert done.exit_code == 2
    assert said in done.error()
    assert not path_of(home).exists()


def test_the_list_says_where_each_is_from_and_what_is_wrong(home: Home) -> None:
    assert "config set KEY VALUE" in home.harness("config").stderr
    path = written(home, "threads = 0\nresults = 'there'\nnonsense = 1\n")

    done = home.harness("config", "--json", HARNESS_RESULTS="elsewhere")
    assert done.exit_code == 1
    assert done.document["path"] == str(path)
    rows = {(each["key"], each["source"]): each for each in done.document["settings"]}
    assert [*rows] == [
        ("threads", "line 1"),
        ("results", "line 2"),
        ("nonsense", "line 3"),
        ("results", "HARNESS_RESULTS"),
    ]
    assert "0 is less than 1" in rows["threads", "line 1"]["problem"]
    assert rows["results", "line 2"]["beaten_by"] == "HARNESS_RESULTS"
    assert "no option" in rows["nonsense", "line 3"]["problem"]

    for key in ("threads", "nonsense"):
        assert home.harness("config", "unset", key).exit_code == 0
    assert home.harness("config").exit_code == 0
    assert "it sets results" in home.harness("config", "unset", "threads").error()


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_of_a_link_what_it_leads_to_is_changed(home: Home) -> None:
    target = home.folder / "dotfiles.toml"
    target.write_text("# mine\nthreads = 1\n", "utf-8")
    path_of(home).parent.mkdir()
    path_of(home).symlink_to(target)

    assert home.harness("config", "set", "threads", "2").exit_code == 0
    assert path_of(home).is_symlink()
    assert target.read_text("utf-8") == "# mine\nthreads = 2\n"


def test_several_values_of_an_option_that_may_be_repeated_are_kept(home: Home) -> None:
    for name in ("a.yaml", "b.yaml"):
        (home.folder / name).write_text(_CATALOGUE, "utf-8")

    assert home.harness("config", "set", "catalog", "a.yaml", "b.yaml").exit_code == 0
    assert path_of(home).read_text("utf-8") == 'catalog = ["a.yaml", "b.yaml"]\n'
    assert home.harness("models").exit_code == 0


def test_what_is_kept_contradicts_no_question_of_another_kind(home: Home) -> None:
    (home.folder / "a.yaml").write_text(_CATALOGUE, "utf-8")
    written(home, "catalog = 'a.yaml'\n[models]\ncountry = 'CN'\n[compare]\nacross = 'settings'")

    assert home.harness("models", "--local").exit_code == 0
    assert home.harness("models", "tiny-random").exit_code == 0
    assert "nothing to filter" in home.harness("models", "tiny-random", "--lab", "x").error()
    assert "CN" in home.harness("models").stdout
    assert "--across" not in home.harness("compare", "nosuch", "nosuch2").error()

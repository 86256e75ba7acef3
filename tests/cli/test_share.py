"""`harness share`."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner
from make.records import make_end, make_experiment, make_failed_run, make_model, make_run, make_runs

from cli.commandline import Home
from harness import cli
from harness.commandline import stream
from harness.commands.share import share
from harness.commands.share.share import NO_CARD
from harness.errors import ResultsUnwritable
from harness.files import atomic_write
from harness.records.store import ExperimentWriter, load
from harness.report import card
from harness.schema.experiment import Run

HAS_CARD = find_spec("vl_convert") is not None
WARNING = "Other processes use the CPU, in percent of a core: alice-sync (40 %). Stop them."


def keep(home: Home, *runs: Run, **changes: object) -> None:
    experiment = make_experiment(id="c0ffee01", warnings=(WARNING,), **changes)  # type: ignore[arg-type]
    with ExperimentWriter(home.results, experiment) as writer:
        for run in runs:
            writer.append_run(run)
        writer.finish(make_end(len(runs)))


@pytest.fixture
def measured(home: Home) -> Home:
    keep(home, *make_runs(6))
    return home


def shared_file(home: Home, folder: str = "shared") -> Path:
    (path,) = (home.folder / folder).glob("*.jsonl")
    return path


def test_share_writes_a_file_without_names_and_a_card_beside_it(measured: Home) -> None:
    done = measured.harness("share")

    assert done.exit_code == 0, done.stderr
    path = shared_file(measured)
    text = path.read_text("utf-8")
    assert "alice" not in text
    assert ".log" not in text
    assert load(path).is_complete
    assert path.name == "20261123T000000Z-3f2a91c04d-c0ffee01.jsonl"
    assert path.with_suffix(".png").exists() == HAS_CARD
    assert "alice-sync" in done.stdout  # what is left out is shown to whoever shares
    assert "left out" in done.stdout
    assert "Stays in the file" in done.stdout
    assert str(Path("shared") / path.name) in done.stderr
    assert "Nothing was uploaded" in done.stderr


def test_show_and_compare_and_export_read_what_was_shared(measured: Home) -> None:
    measured.harness("share", "-o", "out")
    path = shared_file(measured, "out")
    original = measured.harness("show", "c0ffee", "--format", "csv")
    shown = measured.harness("show", path, "--format", "csv")
    exported = measured.harness("export", path)
    compared = measured.harness(
        "compare", "--stored", "smollm2-135m", "smollm2-135m", "--results", "out"
    )

    assert shown.exit_code == exported.exit_code == 0
    assert shown.stdout == original.stdout
    assert compared.exit_code in (0, 2, 4)
    assert "Traceback" not in compared.stderr


def test_json_tells_where_both_lie_and_what_changed(measured: Home) -> None:
    done = measured.harness("share", "latest", "--json")

    document = done.document
    assert document["experiment"] == "c0ffee01"
    assert (measured.folder / document["file"]).exists()
    assert (document["card"] is not None) == HAS_CARD
    assert {"warning", "name of a log", "time of day"} <= {it["what"] for it in document["changes"]}


def test_what_lies_there_is_not_overwritten_without_being_told_to(measured: Home) -> None:
    first = measured.harness("share")
    path = shared_file(measured)
    path.write_text("precious", "utf-8")
    refused = measured.harness("share")
    kept = path.read_text("utf-8")
    forced = measured.harness("share", "--force")

    assert (first.exit_code, forced.exit_code) == (0, 0)
    assert refused.exit_code == 2
    assert "--force" in refused.error()
    assert kept == "precious"
    assert load(path).is_complete


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_one_line(measured: Home) -> None:
    folder = measured.folder / "locked"
    folder.mkdir(mode=0o500)
    done = measured.harness("share", "-o", "locked")
    assert done.exit_code == 1
    assert "locked" in done.stderr.splitlines()[-1]
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not HAS_CARD, reason="needs vl-convert")
def test_a_disk_that_fills_up_at_the_card_leaves_nothing(
    measured: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def full(target: Path) -> Iterator[Path]:
        if target.suffix == ".png":
            raise OSError(errno.ENOSPC, "No space left on device")
        with atomic_write(target) as part:
            yield part

    monkeypatch.setattr(share, "atomic_write", full)
    monkeypatch.chdir(measured.folder)
    done = CliRunner().invoke(cli.group, ["share"])
    assert isinstance(done.exception, ResultsUnwritable)
    assert "No space left" in str(done.exception)
    assert list((measured.folder / "shared").iterdir()) == []


def test_a_folder_below_a_file_is_one_line(measured: Home) -> None:
    (measured.folder / "file").touch()
    assert measured.harness("share", "-o", "file").exit_code == 2
    done = measured.harness("share", "-o", "file/below")
    assert done.exit_code == 2
    assert "file" in done.error()


def test_no_experiment_and_an_unknown_one_are_one_line(home: Home) -> None:
    assert "No experiment is stored" in home.harness("share").error()
    keep(home, make_run())
    assert "No experiment" in home.harness("share", "nothing").error()
    assert not (home.folder / "shared").exists()


def test_a_damaged_file_and_a_pipe_are_one_line(measured: Home) -> None:
    (measured.folder / "x.jsonl").write_bytes(measured.record().read_bytes()[:300])
    done = measured.harness("share", "x.jsonl")
    assert done.exit_code == 1
    assert "x.jsonl" in done.error()
    assert not (measured.folder / "shared").exists()


def test_of_an_experiment_that_failed_the_reason_is_shared_in_a_word(home: Home) -> None:
    keep(home, make_failed_run())
    done = home.harness("share", "c0ffee")

    assert done.exit_code == 0, done.stderr
    (run,) = load(shared_file(home)).runs
    assert run.outcome.message == "killed"
    assert "The system killed the worker" in done.stdout.replace("\n", " ")


def test_the_name_of_a_file_is_kept_on_demand_without_its_folders(home: Home) -> None:
    model = make_model(key="/home/alice/mine.gguf", file_name="mine.gguf")
    keep(home, make_run(model=model.key), models=(model,))
    home.harness("share", "-o", "a")
    home.harness("share", "-o", "b", "--keep-names")

    keys = [load(shared_file(home, each)).experiment.plan.models[0].key for each in "ab"]
    assert keys == ["llama-135M:Q4_1", "mine.gguf"]


@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_person_is_shown_what_goes_and_asked(
    measured: Home, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(stream, "has_person", lambda: True)
    monkeypatch.chdir(measured.folder)
    done = CliRunner().invoke(cli.group, ["share"], input=f"{answer}\n")

    assert done.exit_code == 0, done.output
    before, _, after = done.stderr.partition("Write this?")
    assert "alice-sync" in before
    assert "Stays in the file" in before
    is_written = answer == "y"
    assert (measured.folder / "shared").exists() == is_written
    assert ("Nothing was written." in after) != is_written


def test_yes_does_not_ask(measured: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "has_person", lambda: True)
    monkeypatch.chdir(measured.folder)
    done = CliRunner().invoke(cli.group, ["share", "--yes", "-q"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert shared_file(measured).exists()


def test_without_vl_convert_the_file_is_written_and_one_sentence_says_how_to_get_a_card(
    measured: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "png", lambda _drawn: None)
    monkeypatch.chdir(measured.folder)
    done = CliRunner().invoke(cli.group, ["share"])

    assert done.exit_code == 0, done.output
    assert [path.suffix for path in (measured.folder / "shared").iterdir()] == [".jsonl"]
    assert " ".join(NO_CARD.split()) in " ".join(done.stderr.split())


def test_a_picture_that_cannot_be_drawn_costs_only_the_picture(
    measured: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_drawn: str) -> bytes:
        raise ValueError("no font")

    monkeypatch.setattr(card, "png", fail)
    monkeypatch.chdir(measured.folder)
    done = CliRunner().invoke(cli.group, ["share", "--json"])
    document = json.loads(done.stdout)
    assert document["card"] is None
    assert "no font" in document["card_missing"]
    assert Path(document["file"]).exists()


def test_hostile_names_are_no_part_of_what_is_written(home: Home) -> None:
    evil = "</svg><script>x</script>\u202e" + "n" * 300
    model = make_model(key=evil, file_name=evil, quantization=evil, architecture=evil)
    keep(home, make_run(model=evil), models=(model,))
    done = home.harness("share")

    assert done.exit_code == 0, done.stderr
    assert "\u202e" not in done.stdout
    assert "<script" not in shared_file(home).read_text("utf-8")
    first = json.loads(shared_file(home).read_text("utf-8").splitlines()[0])
    assert first["plan"]["models"][0]["key"] == "other-135M:other"

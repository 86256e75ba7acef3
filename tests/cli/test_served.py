"""Records of models that servers had loaded, in every command that reads records."""

from __future__ import annotations

from typing import Any

import pytest
from make.gate import put
from make.records import KEY, make_model, make_served
from make.served import make_served_experiment, make_served_rounds

from cli.commandline import Done, Home
from harness.records.store import load
from harness.schema.model import ServedModel

SERVED = "smollm2@127.0.0.1:8080"
URL = "http://127.0.0.1:8080"


def served(version: str = "b11549", **changes: Any) -> ServedModel:
    """What a server of that version tells of the file that others measure."""
    found = make_served(sha256="b1" * 32, quantization="Q4_1", **changes)
    of_version = found.served.model_copy(update={"version": version})
    return found.model_copy(update={"served": of_version})


def keep(home: Home, name: str, *models: Any, slower: float = 1.0, **changes: Any) -> None:
    made = make_served_experiment(*(models or (served(),)), id=name, **changes)
    put(home.results, made, make_served_rounds(made, slower=slower))


def words(done: Done) -> str:
    """What was said on both streams, however the lines are broken."""
    assert "Traceback" not in done.stderr
    return " ".join((done.stdout + done.stderr).split())


@pytest.fixture
def both(home: Home) -> Home:
    """A file and what a server made of it, in one experiment."""
    keep(home, "b07b0701", make_model(), served())
    return home


def test_show_names_the_server_and_whose_memory_it_was(home: Home) -> None:
    keep(home, "5e57ed01")
    told = words(home.harness("show", "latest"))
    assert f"{SERVED} · Q4_1 · served by llama-server b11549 · ctx 4096, slots 4" in told
    assert "memory of the server's process and those that it started" in told
    assert "5e57ed01" in words(home.harness("show"))
    trend = words(home.harness("show", "--trend"))
    assert "llama-server b11549" in trend
    document = home.harness("show", "latest", "--json").document
    (case,) = document["cases"]
    assert case["model"] == SERVED


def test_a_server_elsewhere_is_said_to_be_elsewhere(home: Home) -> None:
    far = served()
    away = far.served.model_copy(update={"is_local": False, "url": "https://models.example.org"})
    keep(home, "fa5a3a41", far.model_copy(update={"served": away}))
    assert "served by llama-server b11549 elsewhere" in words(home.harness("show", "latest"))


@pytest.mark.slow
def test_of_a_file_and_a_server_each_has_its_own_build(both: Home) -> None:
    told = words(both.harness("compare", "--stored", KEY, SERVED, "--across", "build,settings"))
    assert f"A {KEY} · threads 2, ctx auto · experiment b07b0701" in told
    assert f"B {SERVED} · served by llama-server b11549 · ctx 4096, slots 4 · exp" in told
    assert "memory peak: one is of the server's process" in told
    by_setting = words(both.harness("compare", "--stored", "threads=2", "slots=4"))
    assert "chat" in by_setting
    assert "B is" in by_setting
    by_build = both.harness("compare", "--stored", "build=0123abc", "build=b11549")
    assert by_build.exit_code == 0, by_build.stderr
    report = both.harness("report", "-o", "page.html")
    assert report.exit_code == 0, report.stderr
    page = (both.folder / "page.html").read_text("utf-8")
    assert "llama-server b11549" in page
    assert "llama-cpp-python 0.3.36 (0123abc)" in page
    command = f"harness run {KEY} --workload chat --threads 2 --endpoint &#39;{URL}#smollm2&#39;"
    assert command in page.replace("&#x27;", "&#39;")


def test_share_tells_neither_the_address_nor_the_name_of_the_model(home: Home) -> None:
    model = served(file_name="/srv/secret/mine.gguf", key="mine@10.0.0.7:8080")
    hidden = model.served.model_copy(
        update={"url": "http://10.0.0.7:8080", "model": "/srv/secret/mine.gguf"}
    )
    keep(home, "5ec5e701", model.model_copy(update={"served": hidden}))
    done = home.harness("share")
    assert done.exit_code == 0, done.stderr
    (path,) = (home.folder / "shared").glob("*.jsonl")
    text = path.read_text("utf-8")
    assert "10.0.0.7" not in text
    assert "mine" not in text
    shared = load(path)
    assert shared.experiment.provenance.engine.title == "llama-server b11549"
    assert shared.runs[0].memory[0].source.startswith("/proc/PID/status")
    told = words(home.harness("show", path))
    assert "served by llama-server b11549 · ctx 4096, slots 4" in told


def test_export_leaves_out_what_a_server_did(both: Home) -> None:
    keep(both, "5e57ed02")
    alone = both.harness("export", "5e57ed02")
    assert alone.exit_code == 1
    assert "llama-bench does not ask servers" in alone.error()
    keep(both, "a11e0001", make_model(), served(), workloads=("tg128", "chat"))
    some = both.harness("export", "a11e0001")
    assert some.exit_code == 0, some.stderr
    assert len(some.stdout.splitlines()) == 1
    assert SERVED not in some.stdout
    assert f"{SERVED} chat (llama-bench does not ask servers)" in words(some)
    assert f"{SERVED} tg128" not in words(some)


@pytest.mark.parametrize(
    ("version", "across", "exit_code", "told"),
    [
        ("b11549", (), 0, "Pass: all"),
        ("b11600", (), 4, "engine llama-server b11549 against llama-server b11600"),
        ("b11600", ("--across", "build"), 0, "Pass: all"),
    ],
)
def test_a_gate_knows_the_version_of_the_server(
    home: Home, version: str, across: tuple[str, ...], exit_code: int, told: str
) -> None:
    keep(home, "ba5e0001", started_at="2026-11-20T10:00:00+00:00")
    keep(home, "ca9d0001", served(version))
    done = home.harness("gate", "--baseline", "ba5e0001", *across)
    assert done.exit_code == exit_code, words(done)
    assert told in words(done)


def test_a_gate_takes_no_server_for_the_engine(home: Home) -> None:
    keep(home, "ba5e0002", make_model(), started_at="2026-11-20T10:00:00+00:00")
    keep(home, "ca9d0002")
    done = home.harness("gate", "--baseline", "ba5e0002")
    assert done.exit_code == 4
    assert "the baseline has no such case" in words(done)


def test_a_gate_finds_a_server_that_was_started_at_another_port(home: Home) -> None:
    keep(home, "ba5e0003", started_at="2026-11-20T10:00:00+00:00")
    moved = served(key="smollm2@127.0.0.1:9999")
    elsewhere = moved.served.model_copy(update={"url": "http://127.0.0.1:9999"})
    moved = moved.model_copy(update={"served": elsewhere})
    keep(home, "ca9d0003", moved, slower=1.5)
    done = home.harness("gate", "--baseline", "ba5e0003")
    assert done.exit_code == 3, words(done)

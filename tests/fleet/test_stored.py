from __future__ import annotations

from pathlib import Path

from make.records import make_end, make_experiment, make_run

from harness.fleet.stored import begun
from harness.records.store import ExperimentWriter
from harness.schema.fleet import FleetPart

SHA256 = "a" * 64


def stored(results: Path, host: str, fleet: str = "0a1b2c3d", *, is_whole: bool = True) -> Path:
    part = FleetPart(id=fleet, plan_sha256=SHA256, host=host)
    made = make_experiment(id=f"{fleet[:4]}{host[:2]}").model_copy(update={"fleet": part})
    with ExperimentWriter(results, made) as writer:
        for index in range(2):
            writer.append_run(make_run(index))
        if is_whole:
            writer.finish(make_end())
        return writer.path


def test_of_a_folder_that_is_not_there_nothing_is_begun(tmp_path: Path) -> None:
    assert begun(tmp_path / "none", SHA256).parts == {}


def test_what_was_measured_last_is_gone_on_with_host_by_host(tmp_path: Path) -> None:
    stored(tmp_path, "laptop")
    stored(tmp_path, "studio", is_whole=False)
    found = begun(tmp_path, SHA256)
    assert found.id == "0a1b2c3d"
    assert {*found.parts} == {"laptop", "studio"}
    assert {*found.complete} == {"laptop"}
    assert begun(tmp_path, "b" * 64).parts == {}


def test_a_damaged_record_concerns_its_host_alone(tmp_path: Path) -> None:
    stored(tmp_path, "laptop")
    path = stored(tmp_path, "studio")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((lines[0], lines[1][:40], b"\n", *lines[2:])))
    found = begun(tmp_path, SHA256)
    assert {*found.complete} == {"laptop"}
    assert {*found.damaged} == {"studio"}
    assert str(path) in found.damaged["studio"]

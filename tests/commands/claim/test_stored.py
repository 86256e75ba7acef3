"""What was measured of the catalogue's models: by the engine here, not by a server."""

from __future__ import annotations

from pathlib import Path

from make.gate import put
from make.records import make_experiment, make_machine, make_model, make_runs, make_served
from make.served import make_served_experiment, make_served_rounds

from harness.commands.claim.stored import measured_here
from harness.models.catalog.catalog import shipped_catalog


def test_what_a_server_made_of_a_file_is_no_measurement_of_the_file(tmp_path: Path) -> None:
    catalog = shipped_catalog()
    sha256 = catalog.find("smollm2-135m:Q4_1").variant.sha256
    for key in ("smollm2-135m@127.0.0.1:8080", "smollm2-135m:Q4_1"):
        made = make_served_experiment(make_served(key=key, sha256=sha256), id=f"5e57ed{len(key)}")
        put(tmp_path, made, make_served_rounds(made))
    assert measured_here(tmp_path, make_machine(), catalog).cells == {}
    put(tmp_path, make_experiment(models=(make_model(sha256=sha256),)), make_runs())
    assert [*measured_here(tmp_path, make_machine(), catalog).cells] == ["smollm2-135m"]

from __future__ import annotations

from typing import Any

import click
import pytest
from click.testing import CliRunner

from harness.commandline.engine_options import ENGINE_OPTIONS, engine_lists, engine_values
from harness.schema.settings import Settings

USUAL = Settings(n_threads=1)
# What the machine or the workload decides: these have no default on the command line.
OPEN = {"n_threads", "n_ctx", "devices", "tensor_split"}


def parsed(decorator: Any, *arguments: str) -> dict[str, Any]:
    """What a command with just these options is called with."""
    found: dict[str, Any] = {}
    command = click.command()(decorator(lambda **given: found.update(given)))
    done = CliRunner().invoke(command, list(arguments))
    assert done.exit_code == 0, done.output
    return found


def test_every_setting_can_be_swept_and_nothing_else() -> None:
    # What guesses ahead, and other machines, are no settings of the engine alone.
    others = ("draft", "draft_max", "rpc")
    fields = [field for field in Settings.model_fields if field not in others]
    assert list(parsed(engine_lists(*ENGINE_OPTIONS))) == fields


def test_what_is_left_out_is_as_the_settings_have_it() -> None:
    found = parsed(engine_lists(*ENGINE_OPTIONS))
    assert {field for field, values in found.items() if values is None} == OPEN
    for field in set(found) - OPEN:
        assert found[field] == (getattr(USUAL, field),)


@pytest.mark.parametrize("field", ENGINE_OPTIONS)
def test_one_value_is_left_out_as_a_list_is(field: str) -> None:
    expected = {} if field in OPEN else {field: getattr(USUAL, field)}
    assert parsed(engine_values(field)) == {"settings": expected}


def test_lists_and_single_values_are_written_alike() -> None:
    lists = engine_lists("n_gpu_layers", "devices", "repack")
    many = parsed(lists, "-ngl", "0,-1", "--device", "CUDA0/CUDA1", "--repack", "off,on")
    assert (many["n_gpu_layers"], many["devices"]) == ((0, -1), (("CUDA0", "CUDA1"),))
    assert many["repack"] == (False, True)
    single = engine_values("n_gpu_layers", "devices", "repack")
    one = parsed(single, "-ngl", "0", "--device", "CUDA0/CUDA1", "--repack", "off")["settings"]
    assert one == {"n_gpu_layers": 0, "devices": ("CUDA0", "CUDA1"), "repack": False}

"""Which server is started, and the command line it gets."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from make.servers import fake_llama_server

from harness.errors import HarnessError, UsageError
from harness.schema.settings import Settings
from harness.serving import program as programs
from harness.serving.program import (
    BinaryProgram,
    ServerSetup,
    WheelProgram,
    server_environment,
    server_program,
)

posix_only = pytest.mark.skipif(os.name == "nt", reason="scripts stand in for programs")
OLD_FLAGS = frozenset(
    {"--model", "--host", "--port", "--parallel", "--ctx-size", "--threads", "--threads-batch"}
    | {"--batch-size", "--ubatch-size", "--n-gpu-layers", "--flash-attn", "--cache-type-k"}
    | {"--cache-type-v"}
)
NEW_FLAGS = OLD_FLAGS | {
    *("--load-mode", "--device", "--n-cpu-moe", "--split-mode", "--main-gpu", "--tensor-split"),
    *("--no-repack", "--no-ui", "--no-webui", "--cache-ram", "--fit", "--offline"),
    "--cors-origins",
}


def line(flags: frozenset[str], **settings: object) -> str:
    binary = BinaryProgram(Path("/bin/llama-server"), flags, None)
    chosen = Settings.model_validate({"n_threads": 4} | settings)
    return " ".join(binary.command(ServerSetup(Path("m.gguf"), chosen, 1024, 4), 8081))


def test_a_binary_gets_what_the_engine_would_have() -> None:
    assert line(OLD_FLAGS) == (
        "/bin/llama-server --model m.gguf --host 127.0.0.1 --port 8081 --parallel 4 "
        "--ctx-size 4096 --threads 4 --threads-batch 4 --batch-size 2048 --ubatch-size 512 "
        "--n-gpu-layers 999"
    )


def test_what_only_some_builds_know_is_asked_of_those() -> None:
    assert line(NEW_FLAGS).endswith(
        "--no-ui --cache-ram 0 --fit off --offline --cors-origins localhost"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_gpu_layers": 0}, "--n-gpu-layers 0"),
        ({"flash_attn": "on"}, "--flash-attn on"),
        ({"type_k": "q8_0"}, "--cache-type-k q8_0"),
        ({"type_v": "q4_0"}, "--cache-type-v q4_0"),
        ({"n_cpu_moe": 3}, "--n-cpu-moe 3"),
        ({"devices": ("CUDA0", "CUDA1")}, "--device CUDA0,CUDA1"),
        ({"tensor_split": (3.0, 1.0)}, "--tensor-split 3.0,1.0"),
        ({"split_mode": "row"}, "--split-mode row"),
        ({"main_gpu": 1}, "--main-gpu 1"),
        ({"load_mode": "direct-io"}, "--load-mode dio"),
        ({"repack": False}, "--no-repack"),
        ({"n_batch": 64, "n_ubatch": 32}, "--batch-size 64 --ubatch-size 32"),
    ],
)
def test_every_setting_has_its_option(settings: dict[str, object], words: str) -> None:
    assert words in line(NEW_FLAGS, **settings)


def test_a_setting_that_the_binary_does_not_know_is_refused() -> None:
    with pytest.raises(UsageError, match=r"does not know --load-mode"):
        line(OLD_FLAGS, load_mode="mlock")


def test_the_wheel_is_told_the_same_and_refuses_what_it_has_no_field_for() -> None:
    wheel = WheelProgram("2026.10.1")
    setup = ServerSetup(Path("m.gguf"), Settings(n_threads=3), 1024, 2)
    told = json.loads(wheel.command(setup, 8081)[-1])
    assert (told["n_ctx"], told["n_slots"], told["port"], told["n_threads"]) == (2048, 2, 8081, 3)
    chosen = ServerSetup(Path("m.gguf"), Settings(n_threads=3, devices=("CUDA0",)), 1024)
    with pytest.raises(UsageError, match=r"--device.*--server-binary"):
        wheel.command(chosen, 8081)


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "find_spec", lambda _: None)
    with pytest.raises(HarnessError, match=r"pip install xllamacpp.*extra `serve`"):
        server_program(None)


def test_the_wheel_says_what_it_was_built_for() -> None:
    program = server_program(None)
    assert " = 1" in (program.system_info or "")
    assert program.gpus is not None


def test_a_wheel_that_does_not_load_is_told_with_its_last_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = (sys.executable, "-c", "import no_such_library")
    monkeypatch.setattr(programs, "_WHEEL_SERVER", broken)
    with pytest.raises(HarnessError, match=r"cannot be loaded: .*no_such_library.*--server-binary"):
        server_program(None)


def test_graphics_cards_are_read_from_the_list() -> None:
    listed = "Available devices:\n  CUDA0: NVIDIA RTX (24 MiB, 23 MiB free)\n  CUDA1: NVIDIA\n"
    assert programs._DEVICE.findall(listed.partition(programs._DEVICES)[2]) == ["CUDA0", "CUDA1"]
    assert programs._DEVICE.findall("\n  (none)\n") == []


@posix_only
def test_a_binary_is_asked_what_it_is(tmp_path: Path) -> None:
    program = server_program(fake_llama_server(tmp_path / "llama-server", "pass"))
    assert (program.name, program.build) == ("llama-server", "77 (abcdef)")


@posix_only
@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        ("#!/bin/sh\necho usage: --model --ctx-size\n", 0o755, "its --help does not name --host"),
        ("#!/bin/sh\n", 0o644, "cannot be run (Permission denied)"),
        ("no program", 0o755, "cannot be run (Exec format error)"),
        ("#!/bin/sh\nexec sleep 60\n", 0o755, "it did not answer --help within"),
    ],
)
def test_what_is_no_llama_server_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, mode: int, words: str
) -> None:
    monkeypatch.setattr(programs, "_ANSWER_S", 0.3)
    binary = tmp_path / "server"
    binary.write_text(text, "utf-8")
    binary.chmod(mode)
    with pytest.raises(UsageError) as refused:
        server_program(binary)
    assert words in str(refused.value)
    assert str(binary) in str(refused.value)


def test_a_binary_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(UsageError, match=r"is no file: name a llama-server"):
            server_program(missing)


def test_options_that_the_environment_holds_do_not_reach_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LLAMA_ARG_CTX_SIZE", "99")
    monkeypatch.setenv("LLAMA_API_KEY", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    variables = server_environment()
    assert not {"LLAMA_ARG_CTX_SIZE", "LLAMA_API_KEY"} & variables.keys()
    assert variables["CUDA_VISIBLE_DEVICES"] == "1"

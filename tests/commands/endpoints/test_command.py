from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator

import pytest
from endpoint import imitations
from make import fault_server
from make.fault_server import FaultServer

from harness.cli import main
from harness.endpoint import find
from harness.endpoint.address import Address

KEY = "sk-abcdefgh-0123456789"
Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Invoke:
    monkeypatch.delenv("OLLAMA_HOST", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", "endpoints", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        return (int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.serving() as it:
        yield it


def ports(monkeypatch: pytest.MonkeyPatch, *servers: FaultServer) -> None:
    """Those of `servers` are the usual ones."""
    found = tuple(Address.parse(each.url).port for each in servers)
    monkeypatch.setattr(find, "PORTS", found or (1,))
    # On a busy machine a server of Python's may need longer than 0.3 s.
    monkeypatch.setattr(find.answering, "__defaults__", (20.0,))


def test_what_answers_is_a_table(
    invoke: Invoke, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitations.llama_server(server)
    ports(monkeypatch, server)

    exit_code, stdout, stderr = invoke()

    assert exit_code == 0
    assert f"{server.url} · llama-server b11549-0c1e570" in stdout
    row = next(line for line in stdout.splitlines() if "smollm2" in line)
    assert row.split() == ["models/smollm2.gguf", "Q4_K_M", "98.0", "MB", "1024", "4", "yes"]
    assert stderr == f"\nMeasure one: harness run --endpoint {server.url}\n"


def test_programs_get_all_that_is_told(
    invoke: Invoke, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitations.ollama(server)
    ports(monkeypatch, server)

    exit_code, stdout, stderr = invoke("--json")

    (told,) = json.loads(stdout)["servers"]
    assert (exit_code, stderr) == (0, "")
    assert (told["url"], told["server"], told["api"]) == (server.url, "ollama", "ollama")
    assert [each["name"] for each in told["models"]] == ["qwen3:8b", "llama3:latest"]
    assert told["models"][0]["sha256"] == imitations.DIGEST
    assert told["models"][1]["sha256"] is None


def test_nobody_answering_is_a_line_with_what_to_do(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports(monkeypatch)

    exit_code, stdout, stderr = invoke()

    assert (exit_code, stderr) == (0, "")
    assert stdout.count("\n") == 1
    assert "harness run --endpoint URL" in stdout


def test_a_server_without_a_model_is_listed_as_that(invoke: Invoke, server: FaultServer) -> None:
    server.tells("/v1/models", {"data": []})

    exit_code, stdout, stderr = invoke(server.url)

    assert exit_code == 0
    assert f"{server.url} serves no model now." in stdout
    assert stderr == ""


def test_a_named_server_gets_the_key(
    invoke: Invoke, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    imitations.vllm(server)
    monkeypatch.setenv("MODELS_KEY", KEY)

    exit_code, stdout, stderr = invoke(f"{server.url}/v1", "--api-key-env", "MODELS_KEY")

    assert exit_code == 0
    assert "vllm 0.32.0" in stdout
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in stdout + stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "words"),
    [
        (("localhost:8080",), 2, "says neither http:// nor https://"),
        (("http://me:hunter2@localhost",), 2, "--api-key-env"),
        (("--api-key-env", "MODELS_KEY"), 2, "add their URL"),
        (("http://localhost:1", "--api-key-env", "NO_SUCH_KEY"), 2, "NO_SUCH_KEY is empty"),
        (("http://127.0.0.1:1",), 1, "nobody listens"),
        (("http://no-such-host.invalid",), 1, "no server called"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    invoke: Invoke, arguments: tuple[str, ...], exit_code: int, words: str
) -> None:
    code, stdout, stderr = invoke(*arguments)

    assert (code, stdout) == (exit_code, "")
    assert stderr.startswith("Error: ")
    assert stderr.count("\n") == 1
    assert words in stderr
    assert "hunter2" not in stderr


def test_names_of_a_server_cannot_steer_a_terminal(invoke: Invoke, server: FaultServer) -> None:
    server.tells("/v1/models", {"data": [{"id": "a\x1b]0;b\x07\n::error::c"}]})

    _, stdout, _ = invoke(server.url)

    assert "\x1b" not in stdout
    assert "\n::error" not in stdout

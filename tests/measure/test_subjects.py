"""What the names and URLs on a command line mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from endpoint.imitations import ollama
from make import fault_server
from make.fault_server import FaultServer, Script, told

from harness.errors import HarnessError, UsageError
from harness.measure.subjects import Subjects, find_subjects, is_served
from harness.models.catalog.catalog import shipped_catalog
from harness.models.digest import sha256_of
from harness.serving.server import RunningServer


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.serving() as it:
        yield it


def find(references: Sequence[str]) -> Subjects:
    return find_subjects(references, shipped_catalog(), lambda *_: None)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("http://127.0.0.1:8080", True),
        ("HTTPS://models.example.org#qwen3:8b", True),
        ("https://huggingface.co/ggml-org/tiny/resolve/main/tiny.gguf", False),
        ("http.gguf", False),
        ("smollm2-135m", False),
        ("ftp://x", False),
    ],
)
def test_a_url_that_is_no_file_of_the_hub_is_a_server(reference: str, expected: bool) -> None:
    assert is_served(reference) == expected


def test_the_file_that_a_server_here_names_is_read(
    llama_server: RunningServer, tiny_model: Path
) -> None:
    (model,) = find([llama_server.url]).models
    assert model.served is not None
    assert model.key.startswith("tiny@127.0.0.1:")
    assert model.sha256 == sha256_of(tiny_model, lambda *_: None)
    assert (model.architecture, model.served.is_local) == ("llama", True)
    assert (model.served.settings.n_ctx, model.served.settings.n_slots) == (2048, 2)


def test_files_and_servers_keep_their_order(llama_server: RunningServer, tiny_model: Path) -> None:
    found = find([llama_server.url, str(tiny_model)])
    assert [model.served is None for model in found.models] == [False, True]
    assert [*found.paths.values()] == [tiny_model]
    with pytest.raises(UsageError, match="name the same model"):
        find([llama_server.url, f"{llama_server.url}/v1"])


def test_a_model_that_is_not_in_memory_is_loaded_before_its_facts_are_taken(
    server: FaultServer,
) -> None:
    ollama(server)
    loaded = {"models": [{"name": "llama3:latest", "context_length": 4096}]}
    server.says("/api/ps", told({"models": []}), told(loaded))
    line = {"message": {"content": "Hello"}, "done": True, "done_reason": "length"}
    body = json.dumps(line).encode() + b"\n"
    server.says("/api/chat", Script(((0, body),), content_type="application/x-ndjson"))
    (model,) = find([f"{server.url}#llama3"]).models
    assert model.served is not None
    assert model.served.settings.n_ctx == 4096
    (asked,) = [each for each in server.requests if each.path == "/api/chat"]
    assert asked.document["model"] == "llama3:latest"


def test_a_model_that_cannot_be_loaded_is_one_line(server: FaultServer) -> None:
    ollama(server)
    server.tells("/api/ps", {"models": []})
    server.tells("/api/chat", {"error": "model requires more system memory"}, 500)
    with pytest.raises(HarnessError, match="status 500: model requires more system memory"):
        find([f"{server.url}#qwen3:8b"])

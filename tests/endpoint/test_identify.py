from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make import fault_server
from make.fault_server import FaultServer, Script, told

from endpoint import imitations
from harness.endpoint.address import Address
from harness.endpoint.identify import identify
from harness.endpoint.offers import Identified, OfferedModel
from harness.errors import HarnessError

KEY = "sk-abcdefgh-0123456789"


def look(server: FaultServer, *, key: str | None = None, timeout_s: float = 20) -> Identified:
    return identify(Address.parse(server.url), key, timeout_s)


def refused(server: FaultServer, *, key: str | None = None, timeout_s: float = 20) -> str:
    with pytest.raises(HarnessError) as error:
        look(server, key=key, timeout_s=timeout_s)
    message = str(error.value)
    assert message.isprintable()
    assert server.url in message
    return message


VERSIONS = {
    "llama-server": "b11549-0c1e570",
    "ollama": "0.30.1",
    "vllm": "0.32.0",
    "llama-cpp-python": "0.3.36",
    "lemonade": "10.0.0",
    "koboldcpp": "1.98",
}


@pytest.mark.parametrize("name", imitations.ALL)
def test_each_server_is_told_from_the_others(server: FaultServer, name: str) -> None:
    imitations.ALL[name](server)

    found = look(server)

    assert (found.server, found.version) == (name, VERSIONS.get(name))
    assert found.api == ("ollama" if name == "ollama" else "openai")
    assert found.models


def only(server: FaultServer) -> OfferedModel:
    (model,) = look(server).models
    return model


def test_llama_server_tells_all_but_the_architecture(server: FaultServer) -> None:
    imitations.llama_server(server)

    assert only(server) == OfferedModel(
        "models/smollm2.gguf",
        quantization="Q4_K_M",
        n_params=134515008,
        n_bytes=98_000_000,
        n_ctx=1024,
        n_slots=4,
        path="/models/smollm2.gguf",
        is_loaded=True,
        can_reason=True,
    )


def test_llama_server_keeps_its_properties_for_whoever_has_the_key(server: FaultServer) -> None:
    imitations.llama_server(server)
    server.tells("/props", {"error": "no key"}, 401)

    found = look(server)

    assert (found.server, found.version) == ("llama-server", None)
    assert (found.models[0].n_ctx, found.models[0].is_loaded) == (4096, None)


def test_a_router_says_of_each_model_whether_it_is_loaded(server: FaultServer) -> None:
    imitations.llama_router(server)

    found = look(server)

    assert found.version is None
    assert [(each.name, each.is_loaded) for each in found.models] == [("a", False), ("b", True)]


def test_ollama_tells_the_digest_of_its_file(server: FaultServer) -> None:
    imitations.ollama(server)

    first, second = look(server).models

    assert first == OfferedModel(
        "qwen3:8b",
        quantization="Q4_K_M",
        architecture="qwen3",
        n_params=8190735360,
        n_bytes=5_200,
        n_ctx=8192,
        path=f"/root/.ollama/models/blobs/sha256-{imitations.DIGEST}",
        sha256=imitations.DIGEST,
        is_loaded=True,
        can_reason=True,
    )
    assert second == OfferedModel("llama3:latest", n_bytes=4_000, is_loaded=False)


def test_an_ollama_without_models_is_one_too(server: FaultServer) -> None:
    server.tells("/v1/models", {"object": "list", "data": None})
    server.tells("/api/version", {"version": "0.30.1"})
    server.tells("/api/tags", {"models": []})

    assert look(server).models == ()


def test_lm_studio_lists_language_models_alone(server: FaultServer) -> None:
    imitations.lm_studio(server)

    assert only(server) == OfferedModel(
        "google/gemma-3-4b",
        quantization="Q4_0",
        architecture="gemma3",
        n_params=4_000_000_000,
        n_bytes=3034755901,
        n_ctx=4096,
        is_loaded=True,
    )


def test_an_older_lm_studio_is_known_by_its_older_list(server: FaultServer) -> None:
    imitations.older_lm_studio(server)

    assert look(server).server == "lm-studio"
    model = only(server)
    assert (model.quantization, model.is_loaded, model.n_ctx) == ("4bit", False, None)


def test_lemonade_below_its_prefix_is_found_there(server: FaultServer) -> None:
    imitations.lemonade(server)

    found = look(server)

    assert found.address.url == f"{server.url}/api"
    assert found.models[0] == OfferedModel(
        "Qwen3-0.6B-GGUF",
        quantization="Q4_0",
        n_bytes=380_000_000,
        n_ctx=4096,
        is_loaded=True,
        can_reason=True,
    )


def test_paths_are_told_where_they_are_paths(server: FaultServer) -> None:
    imitations.mlx_lm(server)
    assert only(server).path == "/models/mlx-tiny"

    server.tells("/v1/models", {"data": [{"id": "org/repo", "owned_by": "vllm", "root": "org/r"}]})
    assert only(server).path is None


def test_the_key_goes_along_and_stands_in_no_message(server: FaultServer) -> None:
    imitations.llama_server(server)
    look(server, key=KEY)
    assert {each.headers["authorization"] for each in server.requests} == {f"Bearer {KEY}"}

    server.scripts.clear()
    for status in (401, 403, 500, 503):
        server.tells("/v1/models", {"error": {"message": f"bad key {KEY}"}}, status, server=KEY)
        assert KEY not in refused(server, key=KEY)


# ------------------------------------------------------------------ what is no model server


def test_a_page_is_said_to_be_one(server: FaultServer) -> None:
    page = b"<!doctype html><title>FRITZ!Box</title>"
    server.says("/v1/models", Script([(0, page)], headers={"Server": "AVM"}))

    message = refused(server)

    assert "is not a model server" in message
    assert "AVM, status 200, a page for a browser: FRITZ!Box" in message


@pytest.mark.parametrize(
    "script",
    [
        told({"data": "none"}),
        told({"models": 3}),
        told([1, 2, 3]),
        told({}, 404),
        told("hello", 500),
        Script(status=204),
        Script([(0, b"{" * 3000)]),
        Script([(0, b"\xff\xfe\x00")]),
        Script(raw=b"SSH-2.0-OpenSSH_9.2\r\n"),
        Script(raw=b"+OK redis\r\n"),
        Script(raw=b""),
        Script(status=301, headers={"Location": "https://elsewhere.example"}),
    ],
)
def test_what_is_no_model_server_is_refused_in_one_line(
    server: FaultServer, script: Script
) -> None:
    server.says("/v1/models", script)

    refused(server)


def test_a_server_that_still_loads_is_not_ready(server: FaultServer) -> None:
    server.tells("/v1/models", {"error": {"message": "Loading model", "code": 503}}, 503)

    assert "is not ready (Loading model)" in refused(server)


def test_a_key_is_asked_for(server: FaultServer) -> None:
    server.tells("/v1/models", {"error": "who are you"}, 401)

    assert "wants a key" in refused(server)
    assert "does not take the key" in refused(server, key=KEY)


def test_nobody_is_said_to_be_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(HarnessError, match="nobody listens at"):
        identify(Address("http", "127.0.0.1", port), None, 5)


def test_a_server_that_hangs_takes_no_longer_than_it_may(server: FaultServer) -> None:
    imitations.llama_server(server)
    server.says("/props", Script([(0, b"{")], ending="stall"))

    began = time.monotonic()
    found = look(server, timeout_s=0.3)
    assert time.monotonic() - began < 5
    # What it could still tell is kept.
    assert (found.server, found.models[0].quantization) == ("llama-server", "Q4_K_M")

    server.says("/v1/models", Script([(0, b"{")], ending="stall"))
    assert "was not done in time" in refused(server, timeout_s=0.1)


# ------------------------------------------------------------------ anything at all

VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ANY = st.recursive(VALUES, lambda it: st.lists(it) | st.dictionaries(st.text(), it), max_leaves=5)


def _damaged(document: Any, at: int, value: Any) -> Any:
    """`document` with one of its values, however deep, replaced."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        pairs = node.items() if isinstance(node, dict) else enumerate(node)
        for key, inner in pairs:
            places.append((node, key))
            if isinstance(inner, dict | list):
                walk(inner)

    walk(document)
    if places:
        node, key = places[at % len(places)]
        node[key] = value
    return document


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*imitations.ALL]), st.integers(0, 2), st.integers(0, 30), ANY)
def test_whatever_a_server_says_it_is_identified_or_refused(
    damage_server: FaultServer, name: str, which: int, at: int, value: Any
) -> None:
    damage_server.scripts.clear()
    imitations.ALL[name](damage_server)
    path = sorted(damage_server.scripts)[which % len(damage_server.scripts)]
    ((_, body),) = damage_server.scripts[path][0].pieces
    damage_server.tells(path, _damaged(json.loads(body), at, value))
    with suppress(HarnessError):
        for model in look(damage_server).models:
            assert model.name.strip()
            numbers = (model.n_params, model.n_bytes, model.n_ctx, model.n_slots)
            assert all(each is None or 0 < each < 2**63 for each in numbers)


@pytest.fixture(scope="module")
def damage_server() -> Iterator[FaultServer]:
    """One for all examples."""
    with fault_server.serving() as it:
        yield it

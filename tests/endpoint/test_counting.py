from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from make.fault_server import CHAT, FaultServer, Script, told

from endpoint import imitations
from harness.endpoint.address import Address
from harness.endpoint.counting import Counter
from harness.endpoint.identify import identify
from harness.endpoint.length import prompt_of
from harness.errors import HarnessError

N_TEMPLATE = 21
KEY = "sk-abcdefgh-0123456789"


def counter(server: FaultServer, key: str | None = None) -> Counter:
    identified = identify(Address.parse(server.url), None, 20)
    return Counter(identified, identified.models[0], key, 20)


class Counting(dict[str, list[Script]]):
    """Scripts of a server that counts four characters as a token."""

    def __init__(self, server: FaultServer) -> None:
        super().__init__(server.scripts)
        self.server = server

    def get(self, path: str, default: Any = None) -> Any:
        last = self.server.requests[-1]
        if path == "/tokenize" and last.method == "POST":
            return [told({"tokens": [0] * self.n_of(last.document["content"])})]
        if path == "/extras/tokenize/count":
            return [told({"count": self.n_of(last.document["input"])})]
        if path == CHAT:
            text = last.document["messages"][0]["content"]
            return [told({"usage": {"prompt_tokens": N_TEMPLATE + self.n_of(text)}})]
        if path == "/api/chat":
            text = last.document["messages"][0]["content"]
            return [told({"prompt_eval_count": N_TEMPLATE + self.n_of(text), "done": True})]
        return super().get(path, default)

    @staticmethod
    def n_of(text: str) -> int:
        return len(text) // 4


@pytest.mark.parametrize(
    ("name", "has_tokenizer"),
    [
        ("llama-server", True),
        ("llama-cpp-python", True),
        ("mlx-lm", False),
        ("ollama", False),
    ],
)
def test_a_prompt_of_a_length_is_found_with_each_server(
    server: FaultServer, name: str, has_tokenizer: bool
) -> None:
    imitations.ALL[name](server)
    server.scripts = Counting(server)
    count = counter(server)

    prompt = prompt_of(512, count, Random(1), "some words of a text to count")

    assert abs(N_TEMPLATE + len(prompt) // 4 - 512) <= 10
    # One request tells what the template adds, if the text alone can be counted.
    assert count.n_requests == 1 if has_tokenizer else count.n_requests > 1
    chats = [each for each in server.requests if each.path in (CHAT, "/api/chat")]
    assert len(chats) == count.n_requests
    for each in chats:
        body = each.document
        assert body["stream"] is False
        assert body.get("max_tokens", body.get("options", {}).get("num_predict")) == 1


def test_a_tokenizer_that_does_not_answer_is_done_without(server: FaultServer) -> None:
    imitations.llama_server(server)
    server.tells("/tokenize", {"error": "not here"}, 404)
    server.tells(CHAT, {"usage": {"prompt_tokens": 33}})

    assert counter(server)("text") == 33


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (told({"choices": []}), "does not tell how many tokens"),
        (told({"usage": {"prompt_tokens": "many"}}), "does not tell how many tokens"),
        (told({"error": {"message": f"bad {KEY}"}}, 500), r"status 500: bad \[key\]"),
        (Script(raw=b""), "closed the connection"),
    ],
)
def test_a_server_that_does_not_count_is_said_to(
    server: FaultServer, script: Script, words: str
) -> None:
    imitations.mlx_lm(server)
    server.says(CHAT, script)

    with pytest.raises(HarnessError, match=words) as error:
        counter(server, KEY)("text")

    assert KEY not in str(error.value)
    assert server.url in str(error.value)


def test_the_text_goes_as_it_is(server: FaultServer) -> None:
    imitations.mlx_lm(server)
    server.tells(CHAT, {"usage": {"prompt_tokens": 33}})
    counter(server)('quotes " and ünicode \n')

    assert json.loads(server.requests[-1].body)["messages"][0]["content"] == (
        'quotes " and ünicode \n'
    )

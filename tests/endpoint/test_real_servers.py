"""The client against servers that others wrote, each with a model of a megabyte at most."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from make.servers import N_CTX, N_SLOTS, OtherServer

from harness.endpoint import answer, stream
from harness.endpoint.address import Address
from harness.endpoint.call import chat_call
from harness.endpoint.counting import Counter
from harness.endpoint.identify import identify
from harness.endpoint.length import prompt_of, with_new_nonce
from harness.endpoint.offers import Identified
from harness.schema.request import Request
from harness.serving.server import RunningServer

N_TOKENS = 12
N_PROMPT = 120
TEXT = "The quick brown fox jumps over the lazy dog while nobody looks at it."


@dataclass(frozen=True)
class Asked:
    """A server that is identified, and what it answers."""

    identified: Identified

    def chat(self, text: str, n_tokens: int = N_TOKENS) -> Request:
        call = chat_call(self.identified.models[0].name, text, n_tokens, "openai", 1)
        raw = stream.ask(self.identified.address, call, key=None, silence_s=60)
        return answer.read(raw, "openai")

    def prompt(self, n_tokens: int) -> str:
        counter = Counter(self.identified, self.identified.models[0], None, 60)
        return prompt_of(n_tokens, counter, Random(1), TEXT)


def asked(url: str) -> Asked:
    return Asked(identify(Address.parse(url), None, 30))


@pytest.fixture(scope="module")
def llama(llama_server: RunningServer) -> Asked:
    return asked(llama_server.url)


@pytest.fixture(scope="module")
def python(llama_cpp_python_server: OtherServer) -> Asked:
    return asked(llama_cpp_python_server.url)


@pytest.fixture(scope="module")
def mlx(mlx_server: OtherServer) -> Asked:
    return asked(mlx_server.url)


def test_llama_server_says_what_it_serves(llama: Asked, tiny_model: Path) -> None:
    identified, model = llama.identified, llama.identified.models[0]
    assert (identified.server, identified.api) == ("llama-server", "openai")
    assert (model.n_ctx, model.n_slots, model.is_loaded) == (N_CTX, N_SLOTS, True)
    assert model.path == str(tiny_model)
    assert model.quantization == "Q8_0"
    assert model.n_params


def test_llama_server_is_measured_in_tokens_of_its_own_count(llama: Asked) -> None:
    request = llama.chat(llama.prompt(N_PROMPT))
    assert request.failure is None
    assert request.finish == "length"
    assert request.n_tokens == N_TOKENS
    assert request.n_cached == 0
    assert request.n_prompt is not None
    assert abs(request.n_prompt - N_PROMPT) <= 0.02 * N_PROMPT
    # One event a token; one that ends within a character waits for the next.
    assert N_TOKENS / 2 <= request.n_events <= N_TOKENS
    assert request.ttft_ns is not None
    assert request.total_ns is not None
    assert request.ttft_ns + request.decode_ns <= request.total_ns
    assert request.server is not None
    assert request.server.n_tokens == N_TOKENS
    assert request.server.n_prompt == request.n_prompt
    assert request.server.prompt_ns is not None
    assert request.server.prompt_ns < request.ttft_ns


def test_a_nonce_at_the_beginning_leaves_no_cache_anything(llama: Asked) -> None:
    first = llama.prompt(N_PROMPT)
    llama.chat(first)
    again = llama.chat(with_new_nonce(first, Random(2)))
    assert again.n_cached == 0


def test_a_prompt_that_does_not_fit_is_refused_in_the_servers_words(llama: Asked) -> None:
    request = llama.chat("word " * N_CTX)
    assert request.failure is not None
    assert request.failure.reason == "refused"
    assert str(N_CTX) in request.failure.message


def test_llama_cpp_python_says_what_it_serves(python: Asked, tiny_model: Path) -> None:
    identified, model = python.identified, python.identified.models[0]
    assert (identified.server, model.n_slots) == ("llama-cpp-python", 1)
    assert model.path == str(tiny_model)


def test_llama_cpp_python_counts_no_tokens_and_that_is_unknown_not_zero(python: Asked) -> None:
    request = python.chat(python.prompt(N_PROMPT))
    assert request.failure is None
    assert request.finish == "length"
    assert (request.n_tokens, request.n_prompt, request.n_cached) == (None, None, None)
    # Its first event is a role, which is no text.
    assert 0 < request.n_events <= N_TOKENS
    assert request.ttft_ns is not None
    assert request.server is None


@pytest.mark.mlx
def test_mlx_lm_says_what_it_serves(mlx: Asked, mlx_server: OtherServer) -> None:
    identified = mlx.identified
    assert identified.server == "mlx-lm"
    assert mlx_server.model in {model.name for model in identified.models}


@pytest.mark.mlx
def test_mlx_lm_merges_tokens_and_counts_them(mlx: Asked) -> None:
    prompt = mlx.prompt(N_PROMPT)
    request = mlx.chat(prompt)
    assert request.failure is None
    assert request.n_tokens is not None
    assert 0 < request.n_tokens <= N_TOKENS
    assert request.n_cached == 0
    assert request.n_prompt is not None
    assert abs(request.n_prompt - N_PROMPT) <= 0.02 * N_PROMPT
    assert request.n_events <= request.n_tokens

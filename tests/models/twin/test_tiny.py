from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness import files as transfer
from harness.models.catalog.catalog import load_catalog
from harness.models.gguf.model_file import describe
from harness.models.twin import tiny as synthetic
from harness.models.twin.tiny import write_tiny_random

TEXT = "Hello, Wörld! 日本語 😀 <0x41> <s>\n\ttab  two"

# Runs in a process of its own: the engine aborts the process on some errors.
ENGINE = """
import ctypes, json, math, sys
import llama_cpp as llama

@llama.llama_log_callback
def quiet(level, text, data):
    pass

llama.llama_log_set(quiet, ctypes.c_void_p(0))
model = llama.llama_model_load_from_file(sys.argv[1].encode(), llama.llama_model_default_params())
vocab = llama.llama_model_get_vocab(model)
settings = llama.llama_context_default_params()
settings.n_ctx, settings.n_threads = 256, 1
context = llama.llama_init_from_model(model, settings)
n_vocab = llama.llama_vocab_n_tokens(vocab)

def text_of(tokens):
    array, room = (llama.llama_token * len(tokens))(*tokens), ctypes.create_string_buffer(4096)
    n = llama.llama_detokenize(vocab, array, len(tokens), room, 4096, True, False)
    return room.raw[:n].decode()

text, tokens = sys.argv[2].encode(), (llama.llama_token * 256)()
n = llama.llama_tokenize(vocab, text, len(text), tokens, 256, True, False)
codes = [llama.llama_decode(context, llama.llama_batch_get_one(tokens, n))]
generated, all_finite = [], True
for _ in range(32):
    logits = llama.llama_get_logits_ith(context, -1)[:n_vocab]
    all_finite = all_finite and all(map(math.isfinite, logits))
    generated.append(max(range(n_vocab), key=logits.__getitem__))
    one = (llama.llama_token * 1)(generated[-1])
    codes.append(llama.llama_decode(context, llama.llama_batch_get_one(one, 1)))
prompt, room = (llama.llama_chat_message * 1)(), ctypes.create_string_buffer(256)
prompt[0] = llama.llama_chat_message(b"user", b"hi")
template = llama.llama_model_chat_template(model, None)
llama.llama_chat_apply_template(template, prompt, 1, True, room, 256)
print(json.dumps({
    "n_tokens": n, "first": tokens[0], "back": text_of(tokens[:n]), "codes": sorted(set(codes)),
    "finite": all_finite, "said": text_of(generated), "ends": any(t == 2 for t in generated),
    "n_params": llama.llama_model_n_params(model), "chat": room.value.decode(),
    "n_ctx_train": llama.llama_model_n_ctx_train(model),
}))
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    write_tiny_random(path)
    return path


@pytest.fixture(scope="module")
def heard(tiny: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", ENGINE, str(tiny), TEXT], capture_output=True, text=True, check=True
    )
    heard: dict[str, object] = json.loads(done.stdout)
    return heard


def test_any_text_becomes_tokens_and_the_same_text_again(heard: dict[str, object]) -> None:
    assert heard["back"] == TEXT
    assert heard["first"] == 1  # the beginning-of-text token
    assert heard["n_tokens"] == 1 + len(TEXT.encode())


def test_the_engine_decodes_it_with_finite_logits(heard: dict[str, object]) -> None:
    assert heard["codes"] == [0]
    assert heard["finite"] is True


def test_what_it_says_is_text_and_does_not_end_early(heard: dict[str, object]) -> None:
    said = str(heard["said"])
    assert len(said) == 32
    assert said.replace("\n", "").isprintable()
    assert heard["ends"] is False


def test_the_engine_knows_its_chat_template(heard: dict[str, object]) -> None:
    assert heard["chat"] == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"


def test_the_catalogue_header_and_engine_agree_on_its_size(
    tiny: Path, heard: dict[str, object]
) -> None:
    spec = load_catalog().find("tiny-random").spec
    described = describe(tiny, "tiny")
    assert heard["n_params"] == described.n_params == spec.parameters.total
    assert heard["n_ctx_train"] == described.n_ctx_train == spec.context_trained
    assert described.architecture == spec.architecture


def test_it_is_the_same_file_each_time(tiny: Path, tmp_path: Path) -> None:
    write_tiny_random(tmp_path / "again.gguf")
    assert (tmp_path / "again.gguf").read_bytes() == tiny.read_bytes()


def test_its_weights_are_about_as_large_as_the_layer_wants_them(tiny: Path) -> None:
    blocks = synthetic._random_q8_0(synthetic._Matrix("blk.0.ffn_up.weight", 320, 128))
    raw = blocks.reshape(-1, 34)
    scales = np.ascontiguousarray(raw[:, :2]).view("<f2").astype(np.float64)
    weights = (raw[:, 2:].view(np.int8) * scales).ravel()
    assert np.std(weights) * np.sqrt(128) == pytest.approx(1, rel=0.02)
    assert abs(np.mean(weights)) * np.sqrt(128) < 0.05
    assert raw[:, 2:].view(np.int8).min() == -127


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "t.gguf"
    target.write_text("what was there")
    monkeypatch.setattr(transfer, "_sync", full)
    with pytest.raises(OSError, match="No space left"):
        write_tiny_random(target)
    assert [path.name for path in tmp_path.iterdir()] == ["t.gguf"]
    assert target.read_text() == "what was there"

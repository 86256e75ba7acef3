"""A random Llama of 200 kB as mlx-lm wants it: safetensors, a tokenizer of bytes, a template."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

N_LAYER = 2
N_EMBD = 64
N_FF = 128
N_HEAD = 4
N_VOCAB = 260
_SPECIAL = ("<s>", "</s>", "<u>", "<a>")


def write_mlx_model(folder: Path) -> Path:
    """The folder, with a model in it that mlx-lm loads."""
    folder.mkdir()
    _write_weights(folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(_CONFIG), "utf-8")
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer()), "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER_CONFIG), "utf-8")
    return folder


def _write_weights(path: Path) -> None:
    """Half precision numbers under a header of JSON: all there is of that format."""
    random = np.random.default_rng(0)
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    blobs, n_bytes = [], 0
    for name, shape in _shapes().items():
        ones = np.ones(shape) if len(shape) == 1 else random.standard_normal(shape) * 0.1
        blobs.append(ones.astype("<f2").tobytes())
        end = n_bytes + len(blobs[-1])
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [n_bytes, end]}
        n_bytes = end
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (N_VOCAB, N_EMBD),
        "model.norm.weight": (N_EMBD,),
    }
    for layer in (f"model.layers.{index}" for index in range(N_LAYER)):
        for name in ("q", "k", "v", "o"):
            shapes[f"{layer}.self_attn.{name}_proj.weight"] = (N_EMBD, N_EMBD)
        shapes |= {
            f"{layer}.mlp.gate_proj.weight": (N_FF, N_EMBD),
            f"{layer}.mlp.up_proj.weight": (N_FF, N_EMBD),
            f"{layer}.mlp.down_proj.weight": (N_EMBD, N_FF),
            f"{layer}.input_layernorm.weight": (N_EMBD,),
            f"{layer}.post_attention_layernorm.weight": (N_EMBD,),
        }
    return shapes


def _tokenizer() -> dict[str, object]:
    """Byte-level BPE without a single merge: a token for each byte, in GPT-2's letters."""
    first = len(_bytes())
    return {
        "version": "1.0",
        "added_tokens": [
            {"id": first + index, "content": text, "special": True, "normalized": False}
            | {"single_word": False, "lstrip": False, "rstrip": False}
            for index, text in enumerate(_SPECIAL)
        ],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
        | {"use_regex": True},
        "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
        | {"use_regex": True},
        "model": {
            "type": "BPE",
            "vocab": {letter: index for index, letter in enumerate(_bytes())},
            "merges": [],
        },
    }


def _bytes() -> list[str]:
    """The letter that stands for each byte: printable ones for themselves, others from U+0100."""
    own = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return sorted(chr(byte) if byte in own else chr(next(others)) for byte in range(256))


_CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": N_EMBD,
    "num_hidden_layers": N_LAYER,
    "intermediate_size": N_FF,
    "num_attention_heads": N_HEAD,
    "num_key_value_heads": N_HEAD,
    "rms_norm_eps": 1e-5,
    "vocab_size": N_VOCAB,
    "rope_theta": 10000.0,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "bos_token_id": 256,
    "eos_token_id": 257,
    "torch_dtype": "float16",
}
_TOKENIZER_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "chat_template": "{% for m in messages %}<u>{{ m['content'] }}{% endfor %}<a>",
}

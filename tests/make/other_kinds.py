"""
Tiny models that do not write text, or not one token after the other, as converters write them.

The engine loads every one of them. `OTHER_KINDS` has each with what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.models.gguf.part import made_part
from harness.models.gguf.write import KeyValue, header_bytes
from harness.models.twin.stocks import stocks_for
from harness.models.twin.twin import write_twin
from harness.schema.model_kind import ModelKind

Shapes = dict[str, tuple[int, ...]]

N_CTX_TRAIN = 512
_N_EMBD, _N_FF, _N_LAYER, _N_HEAD, _N_BUCKETS = 64, 128, 2, 4, 32
_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(chr, range(0x21, 0x7F))]
_WORDS += [f"\u2581{chr(letter)}" for letter in range(0x61, 0x7B)]
_MEAN, _LAST, _RANK = 1, 3, 4  # llama.h: enum llama_pooling_type


@dataclass(frozen=True)
class TinyModel:
    """One that can be written; `kind` is what it is."""

    name: str
    kind: ModelKind
    keys: Mapping[str, KeyValue]
    shapes: Shapes

    @property
    def header(self) -> bytes:
        """Its file as far as the weights."""
        return header_bytes(self.keys, self.shapes, dict.fromkeys(self.shapes, "F32"))

    def write(self, folder: Path) -> Path:
        """Its file, with random weights."""
        path = folder / f"{self.name}.gguf"
        part = made_part(self.header, path.name)
        write_twin(path, part, stocks_for([part], np.random.default_rng(1)), lambda _: None)
        return path


def _keys(architecture: str, **more: KeyValue) -> dict[str, KeyValue]:
    keys: dict[str, KeyValue] = {
        "context_length": N_CTX_TRAIN,
        "block_count": _N_LAYER,
        "embedding_length": _N_EMBD,
        "feed_forward_length": _N_FF,
        "attention.head_count": _N_HEAD,
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    return {
        "general.architecture": architecture,
        "general.name": architecture,
        "general.file_type": 0,
        **{f"{architecture}.{name}": value for name, value in keys.items()},
    }


def _word_pieces() -> dict[str, KeyValue]:
    return {
        "tokenizer.ggml.model": "bert",
        "tokenizer.ggml.tokens": list(_WORDS),
        "tokenizer.ggml.token_type": [3] * 5 + [1] * (len(_WORDS) - 5),
        "tokenizer.ggml.token_type_count": 2,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.seperator_token_id": 3,
        "tokenizer.ggml.mask_token_id": 4,
    }


def bert(name: str = "tiny-bert", kind: ModelKind = "embeds", **more: KeyValue) -> TinyModel:
    """An encoder, as all-MiniLM-L6-v2 is converted."""
    told: dict[str, KeyValue] = {"attention__causal": False, "pooling_type": _MEAN, **more}
    keys = _keys("bert", attention__layer_norm_epsilon=1e-12, **told) | _word_pieces()
    shapes: Shapes = {
        "token_embd.weight": (_N_EMBD, len(_WORDS)),
        "position_embd.weight": (_N_EMBD, N_CTX_TRAIN),
        "token_types.weight": (_N_EMBD, 2),
    }
    vectors = {"token_embd_norm": _N_EMBD}
    for block in (f"blk.{layer}" for layer in range(_N_LAYER)):
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            shapes[f"{block}.{part}.weight"] = (_N_EMBD, _N_EMBD)
            shapes[f"{block}.{part}.bias"] = (_N_EMBD,)
        shapes |= {
            f"{block}.ffn_up.weight": (_N_EMBD, _N_FF),
            f"{block}.ffn_up.bias": (_N_FF,),
            f"{block}.ffn_down.weight": (_N_FF, _N_EMBD),
            f"{block}.ffn_down.bias": (_N_EMBD,),
        }
        vectors |= {f"{block}.attn_output_norm": _N_EMBD, f"{block}.layer_output_norm": _N_EMBD}
    for norm, width in vectors.items():
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    return TinyModel(name, kind, keys, shapes)


def reranker() -> TinyModel:
    """An encoder that scores a pair of texts, as bge-reranker is converted."""
    model = bert("tiny-reranker", "reranks", pooling_type=_RANK)
    head: Shapes = {
        "cls.weight": (_N_EMBD, _N_EMBD),
        "cls.bias": (_N_EMBD,),
        "cls.output.weight": (_N_EMBD, 1),
        "cls.output.bias": (1,),
    }
    return TinyModel(model.name, model.kind, model.keys, model.shapes | head)


def t5(*, has_decoder: bool = True) -> TinyModel:
    """An encoder and a decoder, or the encoder alone."""
    architecture = "t5" if has_decoder else "t5encoder"
    keys = _keys(
        architecture,
        attention__key_length=_N_EMBD // _N_HEAD,
        attention__value_length=_N_EMBD // _N_HEAD,
        attention__layer_norm_epsilon=1e-6,
        attention__layer_norm_rms_epsilon=1e-6,
        attention__relative_buckets_count=_N_BUCKETS,
        **({"decoder_start_token_id": 0} if has_decoder else {}),
    ) | {
        "tokenizer.ggml.model": "t5",
        "tokenizer.ggml.tokens": ["<pad>", "</s>", "<unk>", *_WORDS[5:]],
        "tokenizer.ggml.scores": [0.0, 0.0, 0.0, *[-1.0] * (len(_WORDS) - 5)],
        "tokenizer.ggml.token_type": [3, 3, 2, *[1] * (len(_WORDS) - 5)],
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.unknown_token_id": 2,
    }
    shapes: Shapes = {"token_embd.weight": (_N_EMBD, len(_WORDS) - 2)}
    for side in ("enc", "dec") if has_decoder else ("enc",):
        shapes[f"{side}.output_norm.weight"] = (_N_EMBD,)
        shapes[f"{side}.blk.0.attn_rel_b.weight"] = (_N_HEAD, _N_BUCKETS)
        for block in (f"{side}.blk.{layer}" for layer in range(_N_LAYER)):
            attentions = ("attn", "cross_attn") if side == "dec" else ("attn",)
            for attention in attentions:
                shapes[f"{block}.{attention}_norm.weight"] = (_N_EMBD,)
                for part in "qkvo":
                    shapes[f"{block}.{attention}_{part}.weight"] = (_N_EMBD, _N_EMBD)
            shapes |= {
                f"{block}.ffn_norm.weight": (_N_EMBD,),
                f"{block}.ffn_up.weight": (_N_EMBD, _N_FF),
                f"{block}.ffn_down.weight": (_N_FF, _N_EMBD),
            }
    kind: ModelKind = "encoder-decoder" if has_decoder else "embeds"
    return TinyModel(f"tiny-{architecture}", kind, keys, shapes)


def decoder(name: str, kind: ModelKind, architecture: str, **more: KeyValue) -> TinyModel:
    """Tensors as llama's, under another architecture's name or with other keys."""
    keys = _keys(
        architecture,
        attention__layer_norm_rms_epsilon=1e-6,
        rope__dimension_count=_N_EMBD // _N_HEAD,
        **more,
    )
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "\u2581"]
    keys |= {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, 1],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    shapes: Shapes = {
        "token_embd.weight": (_N_EMBD, len(tokens)),
        "output_norm.weight": (_N_EMBD,),
        "output.weight": (_N_EMBD, len(tokens)),
    }
    for block in (f"blk.{layer}" for layer in range(_N_LAYER)):
        shapes |= {
            f"{block}.attn_norm.weight": (_N_EMBD,),
            **{
                f"{block}.{part}.weight": (_N_EMBD, _N_EMBD)
                for part in ("attn_q", "attn_k", "attn_v", "attn_output")
            },
            f"{block}.ffn_norm.weight": (_N_EMBD,),
            f"{block}.ffn_gate.weight": (_N_EMBD, _N_FF),
            f"{block}.ffn_up.weight": (_N_EMBD, _N_FF),
            f"{block}.ffn_down.weight": (_N_FF, _N_EMBD),
        }
    return TinyModel(name, kind, keys, shapes)


def mamba() -> TinyModel:
    """A recurrent language model: of earlier tokens it keeps a state, not their keys."""
    n_inner, n_state, n_conv, rank = 2 * _N_EMBD, 128, 4, 4
    words = decoder("", "generates", "mamba")
    keys: dict[str, KeyValue] = {
        **words.keys,
        "mamba.ssm.conv_kernel": n_conv,
        "mamba.ssm.inner_size": n_inner,
        "mamba.ssm.state_size": n_state,
        "mamba.ssm.time_step_rank": rank,
        "mamba.attention.head_count": 0,
        "mamba.feed_forward_length": 0,
    }
    shapes = {name: words.shapes[name] for name in ("token_embd.weight", "output_norm.weight")}
    for block in (f"blk.{layer}" for layer in range(_N_LAYER)):
        shapes |= {
            f"{block}.attn_norm.weight": (_N_EMBD,),
            f"{block}.ssm_in.weight": (_N_EMBD, 2 * n_inner),
            f"{block}.ssm_conv1d.weight": (n_conv, n_inner),
            f"{block}.ssm_conv1d.bias": (n_inner,),
            f"{block}.ssm_x.weight": (n_inner, rank + 2 * n_state),
            f"{block}.ssm_dt.weight": (rank, n_inner),
            f"{block}.ssm_dt.bias": (n_inner,),
            f"{block}.ssm_a": (n_state, n_inner),
            f"{block}.ssm_d": (n_inner,),
            f"{block}.ssm_out.weight": (n_inner, _N_EMBD),
        }
    return TinyModel("tiny-mamba", "generates", keys, shapes)


def sliding() -> TinyModel:
    """A language model with layers that look at the last 32 tokens alone, as Gemma 2."""
    model = decoder(
        "tiny-sliding",
        "generates",
        "gemma2",
        attention__sliding_window=32,
        attention__key_length=_N_EMBD // _N_HEAD,
        attention__value_length=_N_EMBD // _N_HEAD,
        attention__head_count_kv=_N_HEAD,
    )
    shapes = {name: shape for name, shape in model.shapes.items() if name != "output.weight"}
    for block in (f"blk.{layer}" for layer in range(_N_LAYER)):
        shapes |= dict.fromkeys(
            (f"{block}.post_attention_norm.weight", f"{block}.post_ffw_norm.weight"), (_N_EMBD,)
        )
    return TinyModel(model.name, model.kind, model.keys, shapes)


OTHER_KINDS: Mapping[str, Callable[[], TinyModel]] = {
    "an encoder": bert,
    "a reranker": reranker,
    "an encoder-decoder": t5,
    "the encoder of an encoder-decoder": lambda: t5(has_decoder=False),
    "a decoder that is not causal": lambda: decoder(
        "tiny-both-ways", "embeds", "llama", attention__causal=False
    ),
    "a causal decoder made for embeddings": lambda: decoder(
        "tiny-pooled", "embeds", "llama", pooling_type=_LAST
    ),
    "a diffusion model": lambda: decoder("tiny-llada", "diffuses", "llada"),
}

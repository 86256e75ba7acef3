"""
The tensors of well-known mixtures of experts, under the names and in the shapes of their GGUFs.

Shapes are those of the published configurations; names and dimensions are what llama.cpp asks a
file for (src/models/*.cpp, load_arch_tensors). Matrices of the trunk and of the experts may be
stored in different types; vectors, routers and biases are F32 as in every published file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from make.gguf import Value, Weight


@dataclass(frozen=True)
class Mixture:
    """The shape of a model; sizes that an architecture does not have are 0."""

    architecture: str
    n_layer: int
    n_embd: int
    n_head: int
    n_head_kv: int
    head_width: int
    n_ff_exp: int
    n_expert: int
    n_expert_used: int
    n_vocab: int
    n_ff: int = 0
    n_dense: int = 0
    n_shared: int = 0
    n_nextn: int = 0
    has_head_norms: bool = False
    is_latent: bool = False
    trunk_type: str = "F32"
    expert_type: str = "F32"

    def metadata(self) -> dict[str, Value]:
        """The keys that sizes and speed follow from."""
        keys: dict[str, Value] = {
            "block_count": self.n_layer + self.n_nextn,
            "embedding_length": self.n_embd,
            "attention.head_count": self.n_head,
            "attention.head_count_kv": 1 if self.is_latent else self.n_head_kv,
            "attention.key_length": 576 if self.is_latent else self.head_width,
            "attention.value_length": 512 if self.is_latent else self.head_width,
            "expert_count": self.n_expert,
            "expert_used_count": self.n_expert_used,
            "expert_shared_count": self.n_shared,
            "leading_dense_block_count": self.n_dense,
            "nextn_predict_layers": self.n_nextn,
        }
        if self.is_latent:
            keys["attention.kv_lora_rank"] = 512
        named = {f"{self.architecture}.{name}": value for name, value in keys.items()}
        return {"general.architecture": self.architecture, **named}

    def weights(self) -> list[Weight]:
        """All tensors, in the order of the layers."""
        outer = [
            self._matrix("token_embd.weight", self.n_embd, self.n_vocab),
            Weight("output_norm.weight", (self.n_embd,)),
            self._matrix("output.weight", self.n_embd, self.n_vocab),
        ]
        layers = [
            weight._replace(name=f"blk.{layer}.{weight.name}")
            for layer in range(self.n_layer + self.n_nextn)
            for weight in self._layer(layer)
        ]
        return outer + layers

    def _layer(self, layer: int) -> Iterator[Weight]:
        yield Weight("attn_norm.weight", (self.n_embd,))
        second = "post_attention_norm" if self._is("gpt-oss", "glm4moe") else "ffn_norm"
        yield Weight(f"{second}.weight", (self.n_embd,))
        yield from self._latent_attention() if self.is_latent else self._attention()
        if layer < self.n_dense:
            yield self._matrix("ffn_gate.weight", self.n_embd, self.n_ff)
            yield self._matrix("ffn_down.weight", self.n_ff, self.n_embd)
            yield self._matrix("ffn_up.weight", self.n_embd, self.n_ff)
        else:
            yield from self._experts()
        if layer >= self.n_layer:
            yield self._matrix("nextn.eh_proj.weight", 2 * self.n_embd, self.n_embd)
            for name in ("enorm", "hnorm", "shared_head_norm"):
                yield Weight(f"nextn.{name}.weight", (self.n_embd,))

    def _attention(self) -> Iterator[Weight]:
        n_q, n_kv = self.n_head * self.head_width, self.n_head_kv * self.head_width
        for name, rows in (("attn_q", n_q), ("attn_k", n_kv), ("attn_v", n_kv)):
            yield self._matrix(f"{name}.weight", self.n_embd, rows)
            if self._is("gpt-oss", "glm4moe"):
                yield Weight(f"{name}.bias", (rows,))
        yield self._matrix("attn_output.weight", n_q, self.n_embd)
        if self._is("gpt-oss"):
            yield Weight("attn_output.bias", (self.n_embd,))
            yield Weight("attn_sinks.weight", (self.n_head,))
        if self.has_head_norms:
            # MiniMax normalizes all heads at once, the others each by itself.
            each = self._is("minimax-m2")
            yield Weight("attn_q_norm.weight", (n_q if each else self.head_width,))
            yield Weight("attn_k_norm.weight", (n_kv if each else self.head_width,))

    def _latent_attention(self) -> Iterator[Weight]:
        """DeepSeek's, with the sizes that V3, R1 and Kimi K2 share."""
        rank_q, rank, nope, rope, value = 1536, 512, 128, 64, 128
        yield self._matrix("attn_q_a.weight", self.n_embd, rank_q)
        yield Weight("attn_q_a_norm.weight", (rank_q,))
        yield self._matrix("attn_q_b.weight", rank_q, self.n_head * (nope + rope))
        yield self._matrix("attn_kv_a_mqa.weight", self.n_embd, rank + rope)
        yield Weight("attn_kv_a_norm.weight", (rank,))
        yield self._matrix("attn_k_b.weight", nope, rank, self.n_head)
        yield self._matrix("attn_v_b.weight", rank, value, self.n_head)
        yield self._matrix("attn_output.weight", self.n_head * value, self.n_embd)

    def _experts(self) -> Iterator[Weight]:
        into, out = (self.n_embd, self.n_ff_exp), (self.n_ff_exp, self.n_embd)
        yield Weight("ffn_gate_inp.weight", (self.n_embd, self.n_expert))
        if self._is("gpt-oss"):
            yield Weight("ffn_gate_inp.bias", (self.n_expert,))
        if self._is("deepseek2", "glm4moe", "minimax-m2"):
            yield Weight("exp_probs_b.bias", (self.n_expert,))
        for name, shape in (("gate", into), ("down", out), ("up", into)):
            yield Weight(f"ffn_{name}_exps.weight", (*shape, self.n_expert), self.expert_type)
            if self._is("gpt-oss"):
                yield Weight(f"ffn_{name}_exps.bias", (shape[1], self.n_expert))
            if self.n_shared:
                columns, rows = (
                    size * self.n_shared if size == self.n_ff_exp else size for size in shape
                )
                yield self._matrix(f"ffn_{name}_shexp.weight", columns, rows)

    def _matrix(self, name: str, *shape: int) -> Weight:
        return Weight(name, shape, self.trunk_type)

    def _is(self, *architectures: str) -> bool:
        return self.architecture in architectures


GPT_OSS_20B = Mixture(
    "gpt-oss", 24, 2880, 64, 8, 64, 2880, 32, 4, 201_088, trunk_type="Q8_0", expert_type="MXFP4"
)
GPT_OSS_120B = Mixture(
    "gpt-oss", 36, 2880, 64, 8, 64, 2880, 128, 4, 201_088, trunk_type="Q8_0", expert_type="MXFP4"
)
QWEN3_30B_A3B = Mixture("qwen3moe", 48, 2048, 32, 4, 128, 768, 128, 8, 151_936, has_head_norms=True)
QWEN3_235B_A22B = Mixture(
    "qwen3moe", 94, 4096, 64, 4, 128, 1536, 128, 8, 151_936, has_head_norms=True
)
DEEPSEEK_R1 = Mixture(
    "deepseek2", 61, 7168, 128, 128, 0, 2048, 256, 8, 129_280, n_ff=18_432, n_dense=3,
    n_shared=1, is_latent=True,
)  # fmt: skip
KIMI_K2 = Mixture(
    "deepseek2", 61, 7168, 64, 64, 0, 2048, 384, 8, 163_840, n_ff=18_432, n_dense=1,
    n_shared=1, is_latent=True,
)  # fmt: skip
GLM_45_AIR = Mixture(
    "glm4moe", 46, 4096, 96, 8, 128, 1408, 128, 8, 151_552, n_ff=10_944, n_dense=1, n_shared=1,
    n_nextn=1,
)  # fmt: skip
GLM_46 = Mixture(
    "glm4moe", 92, 5120, 96, 8, 128, 1536, 160, 8, 151_552, n_ff=12_288, n_dense=3, n_shared=1,
    n_nextn=1, has_head_norms=True,
)  # fmt: skip
MINIMAX_M2 = Mixture("minimax-m2", 62, 3072, 48, 8, 128, 1536, 256, 8, 200_064, has_head_norms=True)

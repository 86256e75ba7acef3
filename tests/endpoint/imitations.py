"""What real servers answer to the questions that tell them apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from make.fault_server import FaultServer, told

DIGEST = "ab" * 32


def _list(owner: str | None, *names: str, **more: Any) -> dict[str, Any]:
    owned = {} if owner is None else {"owned_by": owner}
    data = [{"id": name, "object": "model", **owned, **more} for name in names]
    return {"object": "list", "data": data}


def llama_server(server: FaultServer) -> None:
    """As b11549 answers."""
    meta = {"n_params": 134515008, "size": 98_000_000, "ftype": "Q4_K - Medium", "n_ctx": 4096}
    server.tells("/v1/models", _list("llamacpp", "models/smollm2.gguf", meta=meta))
    server.tells(
        "/props",
        {
            "default_generation_settings": {"n_ctx": 1024},
            "total_slots": 4,
            "model_path": "/models/smollm2.gguf",
            "build_info": "b11549-0c1e570",
            "chat_template": "{% if enable_thinking %}<think>{% endif %}",
            "is_sleeping": False,
        },
    )


def llama_router(server: FaultServer) -> None:
    """Several models behind one, each with its state."""
    listed = _list("llamacpp", "a", "b")
    for each, state in zip(listed["data"], ("unloaded", "loaded"), strict=True):
        each["status"] = {"value": state}
    server.tells("/v1/models", listed)
    server.tells("/props", {"default_generation_settings": {}, "build_info": "b0-unknown"})


def ollama(server: FaultServer) -> None:
    """With one model in memory and another beside it."""
    details = {"family": "qwen3", "parameter_size": "8.2B", "quantization_level": "Q4_K_M"}
    tags = [
        {"name": "llama3:latest", "size": 4_000, "details": {}},
        {"name": "qwen3:8b", "size": 5_200, "details": details},
    ]
    server.tells("/v1/models", _list("library", "llama3:latest", "qwen3:8b"))
    server.tells("/api/version", {"version": "0.30.1"})
    server.tells("/api/tags", {"models": tags})
    server.tells("/api/ps", {"models": [{"name": "qwen3:8b", "context_length": 8192}]})
    shown = {
        "modelfile": f"# it\nFROM /root/.ollama/models/blobs/sha256-{DIGEST}\nTEMPLATE x\n",
        "model_info": {"general.architecture": "qwen3", "general.parameter_count": 8190735360},
        "capabilities": ["completion", "thinking"],
    }
    server.says("/api/show", told(shown), told({}))


def lm_studio(server: FaultServer) -> None:
    """As 0.4 answers, with one model that is no language model."""
    server.tells("/v1/models", _list("organization_owner", "gemma", "nomic"))
    gemma = {
        "type": "llm",
        "key": "google/gemma-3-4b",
        "architecture": "gemma3",
        "quantization": {"name": "Q4_0", "bits_per_weight": 4},
        "size_bytes": 3034755901,
        "params_string": "4B",
        "loaded_instances": [{"id": "gemma", "config": {"context_length": 4096}}],
    }
    other = {"type": "embedding", "key": "nomic"}
    server.tells("/api/v1/models", {"models": [gemma, other]})


def older_lm_studio(server: FaultServer) -> None:
    """As 0.3 answers, which says the same of everything it does not know."""
    server.tells("/v1/models", _list("organization_owner", "qwen"))
    server.tells("/api/v1/models", {"error": "Unexpected endpoint"})
    qwen = {
        "id": "qwen",
        "type": "llm",
        "arch": "qwen2",
        "quantization": "4bit",
        "state": "not-loaded",
        "max_context_length": 32768,
    }
    server.tells("/api/v0/models", {"data": [qwen]})


def vllm(server: FaultServer) -> None:
    """As 0.32 answers."""
    server.tells("/v1/models", _list("vllm", "tiny", root="./vllm-tiny", max_model_len=1024))
    server.tells("/version", {"version": "0.32.0"})


def mlx_lm(server: FaultServer) -> None:
    """As 0.32 answers, by Python's own server."""
    named = "BaseHTTP/0.6 Python/3.11.7"
    server.tells("/v1/models", _list(None, "/models/mlx-tiny"), server=named)
    server.tells("/health", {"status": "ok"})


def llama_cpp_python(server: FaultServer) -> None:
    """As 0.3.36 answers."""
    server.tells("/v1/models", _list("me", "/models/tiny.gguf"))
    paths: dict[str, Any] = {"/extras/tokenize/count": {}}
    server.tells("/openapi.json", {"info": {"version": "0.3.36"}, "paths": paths})


def lemonade(server: FaultServer) -> None:
    """As 10 answers, below /api alone."""
    about = {
        "recipe": "llamacpp",
        "checkpoint": "unsloth/Qwen3-0.6B-GGUF:Q4_0",
        "size": 0.38,
        "labels": ["reasoning"],
        "downloaded": True,
    }
    server.tells("/api/v1/models", _list("lemonade", "Qwen3-0.6B-GGUF", **about))
    loaded = {"model_name": "Qwen3-0.6B-GGUF", "recipe_options": {"ctx_size": 4096}}
    server.tells("/api/v1/health", {"version": "10.0.0", "all_models_loaded": [loaded]})


def koboldcpp(server: FaultServer) -> None:
    """It answers llama-server's question too."""
    server.tells("/v1/models", _list("koboldcpp", "koboldcpp/tiny"))
    server.tells("/api/extra/version", {"result": "KoboldCpp", "version": "1.98"})
    server.tells("/api/extra/true_max_context_length", {"value": 8192})
    server.tells("/props", {"default_generation_settings": {"n_ctx": 1}, "total_slots": 1})


def anything(server: FaultServer) -> None:
    """A server that has nothing but the list."""
    server.tells("/v1/models", _list("somebody", "a"))


ALL: dict[str, Callable[[FaultServer], None]] = {
    "llama-server": llama_server,
    "ollama": ollama,
    "lm-studio": lm_studio,
    "vllm": vllm,
    "mlx-lm": mlx_lm,
    "llama-cpp-python": llama_cpp_python,
    "lemonade": lemonade,
    "koboldcpp": koboldcpp,
    "openai-compatible": anything,
}

"""Settings in the words of the command line."""

from __future__ import annotations

from collections.abc import Sequence

from harness.schema.settings import Settings

_WORDS = {"n_threads": "threads", "n_batch": "batch-size", "n_ubatch": "ubatch-size"} | {
    "n_ctx": "ctx",
    "n_gpu_layers": "gpu-layers",
    "n_cpu_moe": "cpu-moe",
    "devices": "device",
    "type_k": "cache-type-k",
    "type_v": "cache-type-v",
}


def settings_text(settings: Settings, among: Sequence[Settings] = ()) -> str:
    """
    "threads 2, flash-attn on": the threads, what is not the default, what differs in `among`.

    Everything that is not named is as in llama-bench.
    """
    shown = settings.model_dump()
    defaults = Settings(n_threads=settings.n_threads).model_dump()
    others = [other.model_dump() for other in among]
    return ", ".join(
        f"{_WORDS.get(name, name.replace('_', '-'))} {_value_text(value)}"
        for name, value in shown.items()
        if name == "n_threads"
        or value != defaults[name]
        or any(value != other[name] for other in others)
    )


def _value_text(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return "/".join(str(item) for item in value) or "auto"
    return "auto" if value is None else str(value)

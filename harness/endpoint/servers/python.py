"""Servers in Python that have no list of their own: vLLM, mlx-lm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.endpoint.asking import Asker
from harness.endpoint.offers import Identified, OfferedModel
from harness.endpoint.values import positive, text


def vllm(asker: Asker, listed: Sequence[Mapping[str, Any]]) -> Identified | None:
    """vLLM, by whom it says that its models belong to; one that runs has them in memory."""
    if not listed or listed[0].get("owned_by") != "vllm":
        return None
    models = tuple(
        OfferedModel(
            name,
            n_ctx=positive(each.get("max_model_len")),
            path=_path(text(each.get("root"))),
            is_loaded=True,
        )
        for each in listed
        if (name := text(each.get("id")))
    )
    version = text(asker.document("/version").get("version"))
    return Identified(asker.address, "vllm", version, "openai", models)


def mlx_lm(
    asker: Asker, listed: Sequence[Mapping[str, Any]], server_header: str
) -> Identified | None:
    """mlx-lm's server, by Python's own server below it and by its /health."""
    is_python = server_header.startswith("BaseHTTP")
    if not is_python or not listed or asker.document("/health").get("status") != "ok":
        return None
    models = tuple(
        OfferedModel(name, path=_path(name)) for each in listed if (name := text(each.get("id")))
    )
    return Identified(asker.address, "mlx-lm", None, "openai", models)


def _path(name: str | None) -> str | None:
    """`name` where it is a place on a disk, and not a repository."""
    return name if name and (name.startswith(("/", "~", ".")) or name[1:3] == ":\\") else None

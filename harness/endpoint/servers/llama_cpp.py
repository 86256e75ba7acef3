"""Servers around llama.cpp: its own llama-server, llama-cpp-python's, KoboldCpp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.endpoint.asking import Asker
from harness.endpoint.offers import Identified, OfferedModel, quantization_of
from harness.endpoint.values import mapping, positive, text

# What a chat template holds where its model may reason before it answers.
_REASONING = ("<think", "[THINK]", "enable_thinking", "reasoning_content", "reasoning_effort")


def llama_server(asker: Asker, listed: Sequence[Mapping[str, Any]]) -> Identified | None:
    """llama.cpp's own, by its /props; those are for whoever has the key, its list is not."""
    props = asker.document("/props")
    settings = mapping(props.get("default_generation_settings"))
    is_ours = bool(settings) and ("build_info" in props or "total_slots" in props)
    if not is_ours and not (listed and listed[0].get("owned_by") == "llamacpp"):
        return None
    version = text(props.get("build_info"))
    if version and version.endswith("unknown"):  # a build without its repository
        version = None
    # A router's properties are its own, not those of the models behind it.
    about = props if len(listed) == 1 else {}
    models = [_llama_model(each, about) for each in listed]
    return Identified(asker.address, "llama-server", version, "openai", tuple(filter(None, models)))


def _llama_model(listed: Mapping[str, Any], props: Mapping[str, Any]) -> OfferedModel | None:
    name = text(listed.get("id"))
    if name is None:
        return None
    meta = mapping(listed.get("meta"))
    settings = mapping(props.get("default_generation_settings"))
    template = props.get("chat_template")
    return OfferedModel(
        name,
        quantization=quantization_of(text(meta.get("ftype")) or text(props.get("model_ftype"))),
        n_params=positive(meta.get("n_params")),
        n_bytes=positive(meta.get("size")),
        n_ctx=positive(settings.get("n_ctx")) or positive(meta.get("n_ctx")),
        n_slots=positive(props.get("total_slots")),
        path=text(props.get("model_path")),
        is_loaded=_is_loaded(text(mapping(listed.get("status")).get("value")), props),
        can_reason=_reasons(template) if isinstance(template, str) and template else None,
    )


def _is_loaded(state: str | None, props: Mapping[str, Any]) -> bool | None:
    """A router says of each; a server of one model has it, unless it says that it sleeps."""
    if state is not None:
        return state == "loaded"
    return props.get("is_sleeping") is not True if props else None


def _reasons(template: str) -> bool:
    return any(mark in template for mark in _REASONING)


def llama_cpp_python(asker: Asker, listed: Sequence[Mapping[str, Any]]) -> Identified | None:
    """llama-cpp-python's, by a path that only it has; it computes one request at a time."""
    description = asker.document("/openapi.json")
    if "/extras/tokenize/count" not in mapping(description.get("paths")):
        return None
    version = text(mapping(description.get("info")).get("version"))
    names = filter(None, (text(each.get("id")) for each in listed))
    models = tuple(
        OfferedModel(name, n_slots=1, path=name if name.endswith(".gguf") else None)
        for name in names
    )
    return Identified(asker.address, "llama-cpp-python", version, "openai", models)


def koboldcpp(asker: Asker, listed: Sequence[Mapping[str, Any]]) -> Identified | None:
    """KoboldCpp, by its version; it imitates other servers too."""
    told = asker.document("/api/extra/version")
    if told.get("result") != "KoboldCpp":
        return None
    n_ctx = positive(asker.document("/api/extra/true_max_context_length").get("value"))
    models = tuple(
        OfferedModel(name, n_ctx=n_ctx, is_loaded=True)
        for each in listed
        if (name := text(each.get("id")))
    )
    return Identified(asker.address, "koboldcpp", text(told.get("version")), "openai", models)

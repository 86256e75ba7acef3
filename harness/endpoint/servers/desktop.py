"""Servers that keep a library of models and load what is asked for: Ollama, LM Studio, Lemonade."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.endpoint.asking import Asker
from harness.endpoint.offers import Identified, OfferedModel, quantization_of, rounded_count
from harness.endpoint.values import flag, items, mapping, positive, scaled, text

# Each of Ollama's costs a question of its own; those in memory come first.
_MOST_SHOWN = 16
_BLOB = re.compile(r"^FROM\s+(\S.*?blobs[/\\]sha256[-:]([0-9a-fA-F]{64}))\s*$", re.MULTILINE)


def ollama(asker: Asker, listed: Sequence[Mapping[str, Any]]) -> Identified | None:
    """Ollama, by its version and the way it lists models; measured by its own chat."""
    del listed
    version = text(asker.document("/api/version").get("version"))
    tags = asker.document("/api/tags") if version else {}
    if not isinstance(tags.get("models"), list):
        return None
    running = [mapping(each) for each in items(asker.document("/api/ps").get("models"))]
    loaded = {name: each for each in running if (name := text(each.get("name")))}
    offered = [
        _tagged(name, each, loaded)
        for each in map(mapping, items(tags.get("models")))
        if (name := text(each.get("name")))
    ]
    offered.sort(key=lambda model: not model.is_loaded)
    shown = [_shown(model, asker) for model in offered[:_MOST_SHOWN]]
    models = (*shown, *offered[_MOST_SHOWN:])
    return Identified(asker.address, "ollama", version, "ollama", models)


def _tagged(
    name: str, tag: Mapping[str, Any], loaded: Mapping[str, Mapping[str, Any]]
) -> OfferedModel:
    details = mapping(tag.get("details"))
    running = loaded.get(name)
    return OfferedModel(
        name,
        quantization=text(details.get("quantization_level")),
        architecture=text(details.get("family")),
        n_params=rounded_count(text(details.get("parameter_size"))),
        n_bytes=positive(tag.get("size")),
        n_ctx=positive(running.get("context_length")) if running else None,
        is_loaded=running is not None,
    )


def _shown(model: OfferedModel, asker: Asker) -> OfferedModel:
    """`model` with what only a question about it alone tells."""
    told = asker.posted("/api/show", {"model": model.name})
    info = mapping(told.get("model_info"))
    modelfile = told.get("modelfile")
    blob = _BLOB.search(modelfile) if isinstance(modelfile, str) else None
    abilities = told.get("capabilities")
    return replace(
        model,
        architecture=text(info.get("general.architecture")) or model.architecture,
        n_params=positive(info.get("general.parameter_count")) or model.n_params,
        path=blob[1] if blob else None,
        sha256=blob[2].lower() if blob else None,
        can_reason="thinking" in abilities if isinstance(abilities, list) else None,
    )


def lm_studio(asker: Asker, listed: Sequence[Mapping[str, Any]]) -> Identified | None:
    """LM Studio, by its own list of models, which tells more than that of OpenAI's."""
    del listed
    told = items(asker.document("/api/v1/models").get("models"))
    models = [_studio_model(mapping(each)) for each in told]
    if not any(models):
        older = items(asker.document("/api/v0/models").get("data"))
        models = [_older_studio_model(mapping(each)) for each in older]
    found = tuple(filter(None, models))
    return Identified(asker.address, "lm-studio", None, "openai", found) if found else None


def _studio_model(told: Mapping[str, Any]) -> OfferedModel | None:
    name = text(told.get("key"))
    if name is None or told.get("type") not in ("llm", "vlm"):
        return None
    instances = items(told.get("loaded_instances"))
    config = mapping(mapping(instances[0]).get("config")) if instances else {}
    abilities = mapping(told.get("capabilities"))
    reasoning = abilities.get("reasoning", abilities.get("thinking"))
    return OfferedModel(
        name,
        quantization=text(mapping(told.get("quantization")).get("name")),
        architecture=text(told.get("architecture")),
        n_params=rounded_count(text(told.get("params_string"))),
        n_bytes=positive(told.get("size_bytes")),
        n_ctx=positive(config.get("context_length")),
        is_loaded=bool(instances),
        can_reason=True if isinstance(reasoning, dict) else flag(reasoning),
    )


def _older_studio_model(told: Mapping[str, Any]) -> OfferedModel | None:
    """The same of versions before 0.4, whose state is a word."""
    name, state = text(told.get("id")), text(told.get("state"))
    if name is None or state is None or told.get("type") not in ("llm", "vlm"):
        return None
    return OfferedModel(
        name,
        quantization=text(told.get("quantization")),
        architecture=text(told.get("arch")),
        n_ctx=positive(told.get("loaded_context_length")),
        is_loaded=state == "loaded",
    )


def lemonade(asker: Asker, listed: Sequence[Mapping[str, Any]]) -> Identified | None:
    """Lemonade, by its list; its health tells the version and what is loaded."""
    if not listed or listed[0].get("owned_by") != "lemonade":
        return None
    health = asker.document("/v1/health") or asker.document("/api/v1/health")
    loaded = {
        name: mapping(each)
        for each in items(health.get("all_models_loaded"))
        if (name := text(mapping(each).get("model_name")))
    }
    if only := text(health.get("model_loaded")):
        loaded.setdefault(only, {})
    models = [_lemonade_model(each, loaded, is_told=bool(health)) for each in listed]
    version = text(health.get("version"))
    return Identified(asker.address, "lemonade", version, "openai", tuple(filter(None, models)))


def _lemonade_model(
    told: Mapping[str, Any], loaded: Mapping[str, Mapping[str, Any]], *, is_told: bool
) -> OfferedModel | None:
    name = text(told.get("id"))
    if name is None or told.get("downloaded") is False:
        return None
    _, _, variant = (text(told.get("checkpoint")) or "").rpartition(":")
    labels = told.get("labels")
    options = mapping(loaded.get(name, {}).get("recipe_options"))
    return OfferedModel(
        name,
        quantization=quantization_of(variant) if told.get("recipe") == "llamacpp" else None,
        n_bytes=scaled(told.get("size"), 1e9) or None,
        n_ctx=positive(options.get("ctx_size")),
        is_loaded=name in loaded if is_told else None,
        can_reason="reasoning" in labels if isinstance(labels, list) else None,
    )

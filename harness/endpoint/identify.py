"""Which server answers at an address, and what it serves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter_ns
from typing import Any

from harness.endpoint.address import Address
from harness.endpoint.asking import Asker, Reply
from harness.endpoint.failure import RequestFailed, quoted
from harness.endpoint.offers import Identified, OfferedModel
from harness.endpoint.refusal import message_of
from harness.endpoint.servers import desktop, llama_cpp, python
from harness.endpoint.values import items, mapping, text
from harness.errors import HarnessError

_Look = Callable[[Asker, Sequence[Mapping[str, Any]]], Identified | None]

# In this order where the list of models gives no hint.
_LOOKS: Mapping[str, _Look] = {
    "llamacpp": llama_cpp.llama_server,
    "library": desktop.ollama,
    "organization_owner": desktop.lm_studio,
    "vllm": python.vllm,
    "me": llama_cpp.llama_cpp_python,
    "lemonade": desktop.lemonade,
    "koboldcpp": llama_cpp.koboldcpp,
}
"""By whom each says that its models belong to: several imitate the questions of others."""

_LIST = "/v1/models"
# Older versions of Lemonade answer below this alone.
_OTHER_PREFIX = "/api"


def identify(address: Address, key: str | None, timeout_s: float) -> Identified:
    """
    The server, its version and its models.

    Args:
        address: Where to ask.
        key: Sent to it alone; None sends none.
        timeout_s: For all questions together.

    Raises:
        HarnessError: Nobody listens there, it is no model server, or it wants another key.
    """
    asker = Asker(address, key, perf_counter_ns() + round(timeout_s * 1e9))
    try:
        reply = asker.get(_LIST)
        if reply.status == 404 and not address.prefix:
            asker.address = replace(address, prefix=_OTHER_PREFIX)
            below = asker.get(_LIST)
            if _is_list(below):
                reply = below
            else:
                asker.address = address
    except RequestFailed as error:
        is_late = error.failure.reason in ("late", "silent")
        advice = "; try again when it is less busy, or start it anew" if is_late else ""
        raise HarnessError(f"{error.failure.message}{advice}") from None
    if reply.status in (401, 403):
        raise HarnessError(_about_key(reply, address, key))
    if reply.status == 503:
        told = message_of(reply.body, key or "") or "status 503"
        raise HarnessError(f"{address.url} is not ready ({told}); try again when it is")
    return _identified(asker, reply)


def _identified(asker: Asker, reply: Reply) -> Identified:
    listed = [mapping(each) for each in items(reply.document.get("data"))]
    looks = dict(_LOOKS)
    owner = text(listed[0].get("owned_by")) if listed else None
    hinted = looks.pop(owner or "", None)
    mlx: _Look = partial(python.mlx_lm, server_header=reply.server)
    for look in (hinted, mlx, *looks.values()):
        found = look(asker, listed) if look else None
        if found is not None:
            return found
    if not _is_list(reply):
        raise HarnessError(_not_one(asker.address, reply, asker.key or ""))
    models = tuple(OfferedModel(name) for each in listed if (name := text(each.get("id"))))
    return Identified(asker.address, "openai-compatible", None, "openai", models)


def _is_list(reply: Reply) -> bool:
    return reply.is_good and isinstance(reply.document.get("data"), list)


def _about_key(reply: Reply, address: Address, key: str | None) -> str:
    told = message_of(reply.body, key or "")
    behind = f" (status {reply.status}{f': {told}' if told else ''})"
    if key is None:
        return (
            f"{address.url} wants a key{behind}: put it into an environment variable, and name "
            "that with --api-key-env"
        )
    return f"{address.url} does not take the key{behind}; check the variable of --api-key-env"


def _not_one(address: Address, reply: Reply, key: str) -> str:
    """That it is no model server, and what it is instead."""
    told = message_of(reply.body, key)
    if reply.is_good and reply.document and not told:
        told = "a document of another kind"
    who = quoted(reply.server, key)
    instead = ", ".join(each for each in (who, f"status {reply.status}", told) if each)
    return (
        f"{address.url} is not a model server: it answers {instead}; name one that serves a model, "
        "or see which do here: `harness endpoints`"
    )

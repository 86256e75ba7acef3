"""What is to be measured: files that the engine loads here, and models that servers have loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.endpoint.address import Address, split_model
from harness.endpoint.answer import read
from harness.endpoint.call import chat_call
from harness.endpoint.connection import require_key
from harness.endpoint.identify import identify
from harness.endpoint.offers import Identified, OfferedModel, choose
from harness.endpoint.stream import ask
from harness.errors import HarnessError, UsageError
from harness.files import OnProgress
from harness.models.catalog.catalog import Catalog
from harness.models.digest import sha256_of
from harness.models.find import find_all, local_model
from harness.models.hub.link import hub_link
from harness.schema.model import AnyModel, ModelFile, ModelKey, ServedModel
from harness.schema.served import Served
from harness.schema.settings import ServedSettings

_NOT_IN_KEYS = re.compile(r"[,\s@#]+")
_TIMEOUT_S = 10.0
"""A server that loads a model while it is asked what it has answers late."""
_LOAD_S = 600.0
"""From a slow disk the largest models take minutes, in which their server says nothing."""


@dataclass(frozen=True)
class Subjects:
    """Models with different keys, and where those lie that are files."""

    models: tuple[AnyModel, ...]
    paths: Mapping[ModelKey, Path]

    @property
    def title(self) -> str:
        """The models."""
        return ", ".join(model.key for model in self.models)


def is_served(reference: str) -> bool:
    """Whether a reference is the URL of a server, "http://127.0.0.1:8080" or "URL#MODEL"."""
    return reference.lower().startswith(("http://", "https://")) and hub_link(reference) is None


def find_subjects(
    references: Sequence[str],
    catalog: Catalog,
    on_progress: OnProgress,
    key_variable: str | None = None,
) -> Subjects:
    """
    What `references` name, in their order: URLs are asked, all else is found as `find_all` does.

    Args:
        references: A model as every command takes it, or a server's URL, with "#MODEL" behind it
            where it has several.
        catalog: Whose names are known.
        on_progress: Told of what is fetched or hashed.
        key_variable: Names what holds the servers' key in the environment.

    Raises:
        UsageError: Not a URL, or two of them name one model.
        HarnessError: As `find_all`; or no server answers, or has no such model.
    """
    key = required_key(key_variable)
    if key and not any(map(is_served, references)):
        raise UsageError("--api-key-env is for servers, and none is named; leave it away")
    served = {
        text: _served_model(*split_model(text), key, on_progress)
        for text in references
        if is_served(text)
    }
    if len({model.key for model in served.values()}) < len(served):
        raise UsageError("Two of the URLs name the same model of the same server")
    others = [text for text in references if text not in served]
    found = iter(find_all(others, catalog, on_progress))
    models: dict[ModelKey, AnyModel] = {}
    paths: dict[ModelKey, Path] = {}
    for text in references:
        if text in served:
            models[served[text].key] = served[text]
        else:
            model = next(found)
            models[model.key] = model.file
            paths[model.key] = model.weights
    return Subjects(tuple(models.values()), paths)


def required_key(variable: str | None) -> str | None:
    """
    What the variable holds; None without a variable.

    Raises:
        UsageError: It is not set, or holds what is no key.
    """
    if variable is None:
        return None
    return require_key(os.environ.get(variable, ""), variable)


def _served_model(
    address: Address, wanted: str | None, key: str | None, on_progress: OnProgress
) -> ServedModel:
    identified = identify(address, key, _TIMEOUT_S)
    offered = choose(identified, wanted)
    if offered.is_loaded is False:
        _load(identified, offered, key)
        identified = identify(address, key, _TIMEOUT_S)
        offered = choose(identified, offered.name)
    return served_model(identified, offered, on_progress)


def _load(identified: Identified, offered: OfferedModel, key: str | None) -> None:
    """Has the server load the model, of whose context and memory it tells nothing before."""
    call = chat_call(offered.name, "Say hello.", 1, identified.api, 0)
    raw = ask(identified.address, call, key=key, silence_s=_LOAD_S)
    if failure := read(raw, identified.api).failure:
        raise HarnessError(failure.message)


def served_model(
    identified: Identified, offered: OfferedModel, on_progress: OnProgress
) -> ServedModel:
    """
    What a server tells of a model, with the header's facts where its file is here.

    Args:
        identified: The server.
        offered: One of its models.
        on_progress: Told when the file is hashed.
    """
    address = identified.address
    served = Served(
        url=address.url,
        model=offered.name,
        server=identified.server,
        version=identified.version,
        api=identified.api,
        is_local=address.is_loopback,
        settings=ServedSettings(n_ctx=offered.n_ctx, n_slots=offered.n_slots),
    )
    file = _file_here(offered, on_progress) if address.is_loopback else None
    key = _key(offered.name, address)
    if file is not None:
        return ServedModel.of_file(file, key, served, offered.name)
    return ServedModel(
        key=key,
        served=served,
        file_name=offered.name,
        sha256=offered.sha256,
        n_bytes=offered.n_bytes,
        quantization=offered.quantization,
        architecture=offered.architecture,
        n_params=offered.n_params,
    )


def _file_here(offered: OfferedModel, on_progress: OnProgress) -> ModelFile | None:
    """The file that the server says it has loaded, if it is one of this machine."""
    if offered.path is None:
        return None
    with suppress(HarnessError, OSError):
        path = Path(offered.path)
        if path.is_file():
            file = local_model(path, offered.name).file
            return file.model_copy(update={"sha256": file.sha256 or sha256_of(path, on_progress)})
    return None


def _key(name: str, address: Address) -> ModelKey:
    """As "qwen3:8b@127.0.0.1:11434", without a comma, which would be two terms of a selector."""
    short = re.split(r"[/\\]", name)[-1].removesuffix(".gguf") or name
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{_NOT_IN_KEYS.sub('_', short)}@{host}:{address.port}"

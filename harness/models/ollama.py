"""
What Ollama holds on this machine: its manifests, and the blobs of weights that they name.

The store (OLLAMA_MODELS, else .ollama/models in the home folder) has two trees:

    manifests/REGISTRY/NAMESPACE/MODEL/TAG    JSON: the layers of a model with their digests
    blobs/sha256-HEX                          the layers; the one of weights is a GGUF

Newer versions keep the manifests in manifests-v2, as links to blobs, and some are lists of
manifests, one a runner. Nothing is believed: a manifest can name a blob of its own store by its
digest, and nothing else.
"""

from __future__ import annotations

import itertools
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.bounded import parsed_json, read_bounded

# Source of the layout: ollama/ollama, manifest/paths.go and manifest/manifest.go.
_MANIFEST_TREES = ("manifests-v2", "manifests")
_WEIGHTS = "application/vnd.ollama.image.model"
_LIST = "application/vnd.ollama.manifest.list.v2+json"
_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
# Manifests take about 1 kB, with a layer a tensor (the MLX runner's models) up to a megabyte.
_MAX_MANIFEST_BYTES = 4 << 20
_MAX_MANIFESTS = 10_000
_DEFAULT_REGISTRY, _DEFAULT_NAMESPACE = "registry.ollama.ai", "library"


@dataclass(frozen=True)
class OllamaModel:
    """A model by the name Ollama knows it under, and the blob with its weights."""

    name: str
    blob: Path


def ollama_models(store: Path) -> Iterator[OllamaModel]:
    """
    Every model of weights in `store`, by manifest.

    The blobs exist as regular files of the store; what is in them is for the caller to judge.
    Manifests that cannot be read, parsed or followed are passed over.
    """
    seen: set[str] = set()
    for manifest in _manifests(store):
        name = _model_name(manifest.parts[-4:])
        if name in seen:
            continue
        for digest in _weights(_load(manifest), store):
            if blob := _blob(store, digest):
                seen.add(name)
                yield OllamaModel(name, blob)
                break


def _manifests(store: Path) -> Iterator[Path]:
    """The manifests of both trees, those of the newer one first, as Ollama looks for them."""
    for tree in _MANIFEST_TREES:
        # A pattern with a fixed depth, so neither deep trees nor links in a circle are walked.
        try:
            found = itertools.islice((store / tree).glob("*/*/*/*"), _MAX_MANIFESTS)
            yield from sorted(found)
        except OSError:
            continue  # a folder of another user


def _model_name(parts: tuple[str, ...]) -> str:
    """The name as Ollama prints it: its own registry and namespace left out."""
    registry, namespace, model, tag = parts
    prefix = [] if registry == _DEFAULT_REGISTRY else [registry]
    if prefix or namespace != _DEFAULT_NAMESPACE:
        prefix.append(namespace)
    return "/".join([*prefix, f"{model}:{tag}"])


def _weights(manifest: object, store: Path) -> Iterator[str]:
    """The digests of the layers that hold weights, in the manifest or in those that it lists."""
    if not isinstance(manifest, dict):
        return
    children: list[object] = [manifest]
    if manifest.get("mediaType") == _LIST and isinstance(manifest.get("manifests"), list):
        children = [_resolved(child, store) for child in manifest["manifests"][:16]]
    for child in children:
        layers = child.get("layers") if isinstance(child, dict) else None
        for layer in layers if isinstance(layers, list) else []:
            if isinstance(layer, dict) and layer.get("mediaType") == _WEIGHTS:
                yield str(layer.get("digest"))


def _resolved(child: object, store: Path) -> object:
    """A member of a list of manifests; where it is only a digest, the manifest in that blob."""
    if not isinstance(child, dict) or "layers" in child:
        return child
    blob = _blob(store, str(child.get("digest")))
    return _load(blob) if blob else None


def _blob(store: Path, digest: str) -> Path | None:
    """The file of a digest; None unless it is a regular file among the store's blobs."""
    match = _DIGEST.fullmatch(digest)
    if match is None:
        return None
    # The folder itself may be a link: people move it to a larger disk.
    blobs = store / "blobs"
    path = blobs / f"sha256-{match[1].lower()}"
    try:
        real = path.resolve(strict=True)
        is_file = stat.S_ISREG(real.stat().st_mode)
        return path if is_file and real.parent == blobs.resolve() else None
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return None


def _load(manifest: Path) -> object:
    """The JSON in a file; None if it is none, or too long for a manifest."""
    try:
        return parsed_json(read_bounded(manifest, _MAX_MANIFEST_BYTES))
    except (OSError, ValueError):
        return None

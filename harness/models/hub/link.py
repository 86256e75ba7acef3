"""
Links to models of the hub as browsers show them and as Ollama and llama.cpp write them.

    hf.co/owner/repo:Q4_K_M
    https://huggingface.co/owner/repo
    https://huggingface.co/owner/repo/blob/main/Q4_K_M/file.gguf (also resolve, raw, tree)
    https://hf.co/owner/repo?show_file_info=file.gguf
"""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, unquote, urlsplit

from huggingface_hub import constants

from harness.models.gguf.file_name import is_gguf
from harness.models.hub.files import DEFAULT_REVISION, HubReference, is_safe, parse_reference

_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_KINDS_OF_VIEW = ("blob", "resolve", "raw", "tree")


def hub_link(text: str) -> HubReference | None:
    """What `text` says of a repository of the hub; None if it is no address of the hub."""
    has_scheme = text.lower().startswith(("https://", "http://"))
    try:
        url = urlsplit(text if has_scheme else f"https://{text}")
        # A mirror's addresses are those of the hub that is asked.
        hosts = (*_HOSTS, urlsplit(constants.ENDPOINT).netloc)
    except ValueError:
        return None
    if url.netloc.lower() not in hosts:
        return None
    owner, _, rest = url.path.strip("/").partition("/")
    repo, _, view = rest.partition("/")
    found = parse_reference(unquote(f"{owner}/{repo}"))
    if found is None or not view:
        shown = parse_qs(url.query).get("show_file_info", [""])[0]
        return replace(found, wanted=shown) if found and is_safe(shown) else found
    kind, _, rest = view.partition("/")
    revision, file = map(unquote, rest.partition("/")[::2])
    if kind not in _KINDS_OF_VIEW:
        return found
    if not is_safe(revision):
        return None
    wanted = file if is_gguf(file) and is_safe(file) else None
    known = None if revision == DEFAULT_REVISION else revision
    return replace(found, wanted=wanted, revision=known)

"""
The folders in which other programs keep models on this machine, by their own rules.

    Hugging Face    the cache of huggingface_hub, llama.cpp and others (and of this harness)
    LM Studio       PUBLISHER/REPOSITORY/FILE.gguf in its models folder
    llama.cpp       the flat cache of its versions before 2026, and LLAMA_CACHE
    Ollama          blobs that its manifests name (models/ollama.py)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.bounded import parsed_json, read_bounded

_MAX_SETTINGS_BYTES = 1 << 20
_LINUX_SERVICE = Path("/usr/share/ollama/.ollama/models")


@dataclass(frozen=True)
class StoreRoots:
    """The folders of each program, whether they exist or not."""

    hugging_face: tuple[Path, ...] = ()
    lm_studio: tuple[Path, ...] = ()
    llama_cpp: tuple[Path, ...] = ()
    ollama: tuple[Path, ...] = ()


def store_roots(
    environment: Mapping[str, str], home: Path, platform: str = sys.platform
) -> StoreRoots:
    """
    Where each program keeps its models, by its own rules for this platform.

    Source: huggingface_hub's constants.py; llama.cpp's common.cpp and hf-cache.cpp; lmstudio-js'
    findLMStudioHome; Ollama's envconfig and its FAQ.
    """

    def given(name: str) -> tuple[Path, ...]:
        # Ollama's settings may carry quotes, which it strips.
        value = environment.get(name, "").strip().strip("\"'")
        return (_expanded(value, home),) if value else ()

    cache = (given("XDG_CACHE_HOME") or (home / ".cache",))[0]
    hub = given("HF_HUB_CACHE") or given("HUGGINGFACE_HUB_CACHE")
    hub = hub or tuple(path / "hub" for path in given("HF_HOME"))
    if platform == "win32":
        llama = tuple(path / "llama.cpp" for path in given("LOCALAPPDATA"))
    elif platform == "darwin":
        llama = (home / "Library" / "Caches" / "llama.cpp",)
    else:
        llama = (cache / "llama.cpp",)
    service = (_LINUX_SERVICE,) if platform == "linux" else ()
    # llama.cpp keeps either layout in LLAMA_CACHE, the flat one and the hub's.
    return StoreRoots(
        hugging_face=(*(hub or (cache / "huggingface" / "hub",)), *given("LLAMA_CACHE")),
        lm_studio=_lm_studio_roots(home),
        llama_cpp=given("LLAMA_CACHE") or llama,
        ollama=(*given("OLLAMA_MODELS"), home / ".ollama" / "models", *service),
    )


def roots_here() -> StoreRoots:
    """Those of this machine and user; none where the user has no home folder."""
    try:
        home = Path.home()
    except RuntimeError:
        return StoreRoots()
    return store_roots(os.environ, home)


def _lm_studio_roots(home: Path) -> tuple[Path, ...]:
    """
    LM Studio's models folders: the one chosen in its settings, and the usual places.

    .lmstudio-home-pointer holds the path of its home; settings.json there may name another
    folder for downloads.
    """
    homes = [home / ".lmstudio", home / ".cache" / "lm-studio"]
    pointed = _named_folder(_short_text(home / ".lmstudio-home-pointer").strip(), home)
    if pointed:
        homes.insert(0, pointed)
    roots = []
    for folder in homes:
        try:
            settings = parsed_json(_short_text(folder / "settings.json").encode())
        except ValueError:
            settings = None
        chosen = settings.get("downloadsFolder") if isinstance(settings, dict) else None
        if isinstance(chosen, str) and (named := _named_folder(chosen, home)):
            roots.append(named)
        roots.append(folder / "models")
    return tuple(dict.fromkeys(roots))


def _named_folder(text: str, home: Path) -> Path | None:
    """The folder that a settings file names; None if it could not be one."""
    path = _expanded(text, home)
    return path if text.isprintable() and path.is_absolute() else None


def _short_text(path: Path) -> str:
    """What is in a small text file; nothing if it is not there, not text or not small."""
    try:
        return read_bounded(path, _MAX_SETTINGS_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return ""


def _expanded(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith(("~/", "~\\")) else Path(text)

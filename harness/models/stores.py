"""
Models that other programs already hold on this machine, ready to be measured where they lie.

    Hugging Face    the cache of huggingface_hub, llama.cpp and others (and of this harness)
    LM Studio       PUBLISHER/REPOSITORY/FILE.gguf in its models folder
    llama.cpp       the flat cache of its versions before 2026, and LLAMA_CACHE
    Ollama          blobs that its manifests name (models/ollama.py)

Only reading: nothing is moved, linked or written. A file is reported when its header is that of a
whole model which the engine could load; all else in these folders is passed over.
"""

from __future__ import annotations

import itertools
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HarnessError
from harness.models.gguf.model_file import describe
from harness.models.gguf.shards import shard_name
from harness.models.ollama import ollama_models

# Where files lie below a store's folder: PUBLISHER/REPOSITORY, and a folder a quantization.
_MAX_DEPTH = 4
# A user may have pointed LM Studio at a disk of photographs.
_MAX_FOLDERS = 10_000
_MAX_SETTINGS_BYTES = 1 << 20
# What lies beside models and is none: projectors, draft heads, calibration data. The names are
# those that llama.cpp itself passes over (common/download.cpp).
_COMPANIONS = ("mmproj", "imatrix", "mtp-", "eagle3-", "dflash-", "dspark-")
_LINUX_SERVICE = Path("/usr/share/ollama/.ollama/models")


@dataclass(frozen=True)
class LocalFile:
    """
    A model that is here: its file (of a split model the first), and who holds it.

    `name` is what the other program calls it; `n_bytes` counts all parts.
    """

    path: Path
    origin: str
    name: str
    n_bytes: int
    quantization: str


@dataclass(frozen=True)
class StoreRoots:
    """The folders of each program, whether they exist or not."""

    hugging_face: tuple[Path, ...] = ()
    lm_studio: tuple[Path, ...] = ()
    llama_cpp: tuple[Path, ...] = ()
    ollama: tuple[Path, ...] = ()


@dataclass(frozen=True)
class _Candidate:
    path: Path
    origin: str
    name: str


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


def find_local(roots: StoreRoots | None = None) -> tuple[LocalFile, ...]:
    """
    The models in the stores of `roots` (None: of this machine and user), each file once.

    Reading a header takes some hundredths of a second, so fifty models take a second or two.
    """
    if roots is None:
        try:
            home = Path.home()
        except RuntimeError:
            return ()  # no home folder, no stores
        roots = store_roots(os.environ, home)
    found: dict[tuple[int, int], LocalFile] = {}
    for candidate in _candidates(roots):
        # A path or name that could steer a terminal cannot be offered as a command to run.
        if not (candidate.name + str(candidate.path)).isprintable():
            continue
        try:
            status = candidate.path.stat()
            identity = (status.st_dev, status.st_ino)
            if not stat.S_ISREG(status.st_mode) or identity in found:
                continue
            model = describe(candidate.path, candidate.name)
        except (OSError, HarnessError):
            continue  # unreadable, damaged, or no model
        found[identity] = LocalFile(
            candidate.path, candidate.origin, candidate.name, model.n_bytes, model.quantization
        )
    return tuple(found.values())


def _candidates(roots: StoreRoots) -> Iterator[_Candidate]:
    for root in roots.hugging_face:
        for path in _hub_files(root):
            repository = path.relative_to(root).parts[0].removeprefix("models--").replace("--", "/")
            yield _Candidate(path, "Hugging Face", f"{repository}/{path.name}")
    for root in roots.lm_studio:
        for path in _model_files(root, _MAX_DEPTH):
            yield _Candidate(path, "LM Studio", path.relative_to(root).as_posix())
    for root in roots.llama_cpp:
        for path in _model_files(root, 1):
            yield _Candidate(path, "llama.cpp", path.name)
    for root in roots.ollama:
        for model in ollama_models(root):
            yield _Candidate(model.blob, "Ollama", model.name)


def _hub_files(root: Path) -> Iterator[Path]:
    """The models in snapshots; a link is followed only to the repository's own blobs."""
    for repository in _folders(root):
        if not repository.name.startswith("models--"):
            continue
        try:
            inside = repository.resolve(strict=True)
        except (OSError, RuntimeError):
            continue
        for revision in _folders(repository / "snapshots"):
            for path in _model_files(revision, _MAX_DEPTH):
                if _is_inside(path, inside):
                    yield path


def _is_inside(path: Path, folder: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(folder)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        return False


def _folders(parent: Path) -> list[Path]:
    """The folders in a folder, no links, sorted; none if it cannot be listed."""
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [parent / name for name in sorted(names)]


def _model_files(root: Path, max_depth: int) -> Iterator[Path]:
    """
    The .gguf files that may be a model or the first part of one, down to `max_depth` folders.

    Links to files are given out (people link models into a store on purpose), links to folders
    are not followed.
    """
    for folder, names, files in itertools.islice(os.walk(root), _MAX_FOLDERS):
        if len(Path(folder).relative_to(root).parts) + 1 >= max_depth:
            names.clear()
        names.sort()
        yield from (Path(folder, name) for name in sorted(files) if _may_be_model(name))


def _may_be_model(name: str) -> bool:
    lowered = name.lower()
    if not lowered.endswith(".gguf"):
        return False
    if lowered.startswith(_COMPANIONS) or "mmproj" in lowered:
        return False
    part = shard_name(Path(name))
    return part is None or part.index == 1


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
            settings = json.loads(_short_text(folder / "settings.json"))
        except (ValueError, RecursionError):
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
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_SETTINGS_BYTES:
            return ""
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _expanded(text: str, home: Path) -> Path:
    return home / text[2:] if text.startswith(("~/", "~\\")) else Path(text)

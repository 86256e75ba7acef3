"""Every form of name that a model may be asked for by, and the one name that it has then."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from make.downloads import downloaded
from make.gguf import write_small
from make.hub_at_hand import hub_at_hand
from make.hub_server import Hub, Repository

from harness.errors import ModelNotFound
from harness.files import untold
from harness.models.cache import contents, find_kept, remove
from harness.models.catalog.catalog import Entry, load_catalog
from harness.models.download import cached_path
from harness.models.find import find
from harness.models.hub.files import HubReference
from harness.models.hub.link import hub_link
from harness.models.quantization_sets import MADE_FROM, REQUANTIZED_FROM, SOURCE_SHA256
from harness.models.quantizations import quantization_set_name
from harness.models.resolve import FileHere, resolve
from harness.models.stores import find_local

CATALOG = load_catalog()
REPO = "lab/Tiny-GGUF"
HEX = "0123456789abcdef" * 4
WEIGHTS = "application/vnd.ollama.image.model"


@dataclass(frozen=True)
class Here:
    """A machine where the same small model lies in every place there is."""

    hub: Hub
    home: Path
    own: Path

    def quantized(self, set_name: str, file_name: str, made_from: str, origin: str = "") -> Path:
        """A file as `harness quantize` leaves it."""
        keys = {SOURCE_SHA256: "a" * 64, MADE_FROM: made_from}
        keys |= {REQUANTIZED_FROM: origin} if origin else {}
        named = {key.replace(".", "__"): value for key, value in keys.items()}
        path = self.own / "models" / f"ladder-{set_name}" / file_name
        return write_small(path, **named)  # type: ignore[arg-type]  # all of them are text


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> Iterator[Here]:
    home = tmp_path / "home"
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(home))
    for name in ("OLLAMA_MODELS", "LLAMA_CACHE", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    with hub_at_hand(tmp_path, monkeypatch) as hub:
        hub.repositories[REPO] = Repository({"Tiny-Q8_0.gguf": tiny_model})
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
        monkeypatch.chdir(tmp_path)
        yield Here(hub, home, tmp_path / "own")


def put_into_ollama(here: Here, model: Path, *names: str) -> Path:
    store = here.home / ".ollama" / "models"
    blob = store / "blobs" / f"sha256-{HEX}"
    blob.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(model, blob)
    for name in names:
        manifest = store / "manifests" / name
        manifest.parent.mkdir(parents=True, exist_ok=True)
        layers = [{"mediaType": WEIGHTS, "digest": f"sha256:{HEX}"}]
        manifest.write_text(json.dumps({"layers": layers}))
    return blob


def put_into_lm_studio(here: Here, model: Path, name: str) -> Path:
    path = here.home / ".lmstudio" / "models" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(model, path)
    return path


def key_and_path(reference: str) -> tuple[str, Path]:
    located = resolve(reference, CATALOG)
    assert isinstance(located, FileHere), located
    return located.key, located.path


# ------------------------------------------------------------------ made here


def test_what_quantize_made_has_one_name(here: Here) -> None:
    path = here.quantized(
        "smollm2-135m", "smollm2-135m-Q3_K_M-from-Q4_1.gguf", "smollm2-135m:Q4_1", "Q4_1"
    )
    for name in (
        "smollm2-135m:Q3_K_M",
        "SmolLM2-135M:q3_k_m",
        "smollm2-135m-instruct:Q3_K_M",
        "smollm2:135m:Q3_K_M",
        "smollm2-135m:Q3_K_M-from-Q4_1",
        str(path),
        os.path.relpath(path),
    ):
        key, found = key_and_path(name)
        assert (key, found.resolve()) == ("smollm2-135m:Q3_K_M", path.resolve()), name


def test_a_publishers_variant_keeps_its_name(here: Here) -> None:
    path = here.quantized("smollm2-135m", "smollm2-135m-Q4_K_M.gguf", "smollm2-135m:F16")
    assert isinstance(resolve("smollm2-135m:Q4_K_M", CATALOG), Entry)
    assert key_and_path(str(path))[0] == "smollm2-135m:Q4_K_M-from-F16"
    assert key_and_path("smollm2-135m:Q4_K_M-from-F16")[1] == path


def test_of_two_of_one_type_the_shorter_name_means_that_of_the_better_source(here: Here) -> None:
    def made(ending: str, origin: str) -> Path:
        name = f"smollm2-135m-Q2_K{ending}.gguf"
        return here.quantized("smollm2-135m", name, f"smollm2-135m:{origin or 'F16'}", origin)

    worse, better, best = made("-from-Q4_1", "Q4_1"), made("-from-Q8_0", "Q8_0"), made("", "")
    assert key_and_path("smollm2-135m:Q2_K") == ("smollm2-135m:Q2_K", best)
    assert key_and_path(str(better)) == ("smollm2-135m:Q2_K-from-Q8_0", better)
    best.unlink()
    assert key_and_path("smollm2-135m:Q2_K") == ("smollm2-135m:Q2_K", better)
    assert key_and_path(str(worse)) == ("smollm2-135m:Q2_K-from-Q4_1", worse)


def test_what_was_made_of_a_repository_stands_behind_what_it_has_itself(here: Here) -> None:
    path = here.quantized("lab--Tiny", "lab--Tiny-Q8_0-from-Q4_0.gguf", f"{REPO}:Q4_0", "Q4_0")
    long = f"{REPO}:Q8_0-from-Q4_0"
    assert key_and_path(f"{REPO}:Q8_0") == (long, path)
    assert key_and_path(long) == (long, path)
    downloaded(f"{REPO}:Tiny-Q8_0")
    assert resolve(f"{REPO}:Q8_0", CATALOG) == HubReference(REPO, "Q8_0")
    assert key_and_path(long) == (long, path)


def test_what_was_made_of_a_file_is_called_by_its_set(here: Here, tiny_model: Path) -> None:
    name = quantization_set_name(str(tiny_model), CATALOG, untold)
    path = here.quantized(name, f"{name}-Q4_0-from-Q8_0.gguf", "tiny.gguf", "Q8_0")
    assert key_and_path(f"{name}:Q4_0") == (f"{name}:Q4_0", path)


# ------------------------------------------------------------------ other programs


def test_every_name_that_is_listed_means_its_file(here: Here, tiny_model: Path) -> None:
    put_into_ollama(
        here,
        tiny_model,
        "registry.ollama.ai/library/tiny/1m",
        "registry.ollama.ai/library/tiny/latest",
        "registry.ollama.ai/someone/tiny/q8",
        "hf.co/lab/Other-GGUF/Q8_0",
    )
    put_into_lm_studio(here, tiny_model, "lab/Small-GGUF/Small-Q8_0.gguf")
    put_into_lm_studio(here, tiny_model, "lab/EAGLE-7B-GGUF/EAGLE-7B-Q8_0.gguf")
    downloaded(f"{REPO}:Q8_0")
    listed = find_local().files
    names = {name: file.path for file in listed for name in (file.name, *file.other_names)}
    assert len(names) == 7
    for name, path in names.items():
        found = find(name, CATALOG, asks_hub=False)
        assert found.weights.resolve() == path.resolve(), name
        assert HEX not in found.key


def test_a_blob_of_ollama_is_called_as_ollama_calls_it(here: Here, tiny_model: Path) -> None:
    blob = put_into_ollama(
        here,
        tiny_model,
        "registry.ollama.ai/library/tiny/1m",
        "registry.ollama.ai/library/tiny/latest",
    )
    for name in ("tiny:1m", "tiny:latest", "tiny", "TINY:1M", str(blob)):
        assert key_and_path(name) == ("tiny:1m", blob)


def test_a_file_of_lm_studio_is_called_as_it_is_listed(here: Here, tiny_model: Path) -> None:
    path = put_into_lm_studio(here, tiny_model, "lab/Small-GGUF/Small-Q8_0.gguf")
    for name in ("lab/Small-GGUF/Small-Q8_0.gguf", str(path)):
        assert key_and_path(name) == ("lab/Small-GGUF/Small-Q8_0.gguf", path)


def test_a_file_of_the_hub_has_one_name_by_whatever_it_is_asked_for(here: Here) -> None:
    downloaded(f"{REPO}:Q8_0")
    (pointer,) = (file.path for file in find_local().files)
    for name in (
        f"{REPO}:Q8_0",
        f"{REPO}:Tiny-Q8_0.gguf",
        f"{REPO}:tiny-q8_0",
        f"{REPO}/Tiny-Q8_0.gguf",
        f"hf.co/{REPO}:Q8_0",
        f"https://huggingface.co/{REPO}/blob/main/Tiny-Q8_0.gguf",
        f"https://huggingface.co/{REPO}/resolve/main/Tiny-Q8_0.gguf?download=true",
        str(pointer),
    ):
        found = find(name, CATALOG, asks_hub=False)
        assert (found.key, found.weights) == (f"{REPO}:Q8_0", pointer), name


def test_what_is_in_ollama_by_a_hubs_address_is_not_fetched(here: Here, tiny_model: Path) -> None:
    blob = put_into_ollama(here, tiny_model, "hf.co/lab/Tiny-GGUF/Q8_0")
    assert key_and_path(f"hf.co/{REPO}:Q8_0") == (f"hf.co/{REPO}:Q8_0", blob)


# ------------------------------------------------------------------ the hub's addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf.co/o/r:Q4_K_M", HubReference("o/r", "Q4_K_M")),
        ("huggingface.co/o/r", HubReference("o/r", None)),
        ("https://huggingface.co/o/r", HubReference("o/r", None)),
        ("https://huggingface.co/o/r/", HubReference("o/r", None)),
        ("https://HuggingFace.co/o/r/tree/main", HubReference("o/r", None)),
        ("http://hf.co/o/r/blob/main/a-Q8_0.gguf", HubReference("o/r", "a-Q8_0.gguf")),
        ("https://hf.co/o/r/resolve/main/Q8_0/a.gguf", HubReference("o/r", "Q8_0/a.gguf")),
        ("https://hf.co/o/r/blob/v1/a%20b.gguf", HubReference("o/r", "a b.gguf", "v1")),
        ("https://hf.co/o/r/blob/refs%2Fpr%2F1/a.gguf", HubReference("o/r", "a.gguf", "refs/pr/1")),
        ("https://hf.co/o/r?show_file_info=a.gguf", HubReference("o/r", "a.gguf")),
        ("https://hf.co/o/r/resolve/../../etc/a.gguf", None),
        ("https://example.org/o/r", None),
        ("https://hf.co.example.org/o/r", None),
        ("https://[/o/r", None),
        ("o/r", None),
    ],
)  # fmt: skip
def test_an_address_of_the_hub_is_understood(text: str, expected: HubReference | None) -> None:
    assert hub_link(text) == expected


def test_another_address_is_refused_with_what_to_do() -> None:
    with pytest.raises(ModelNotFound, match=r"is an address; download the \.gguf file"):
        resolve("https://example.org/model.gguf", CATALOG)


# ------------------------------------------------------------------ the catalogue


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("qwen3:4b", "qwen3-4b:Q4_K_M"),
        ("QWEN3:4B", "qwen3-4b:Q4_K_M"),
        ("qwen3:4b-q8_0", "qwen3-4b:Q8_0"),
        ("gpt-oss:20b", "gpt-oss-20b:MXFP4"),
        ("gpt-oss-20b:latest", "gpt-oss-20b:MXFP4"),
        ("llama3.2:3b-instruct-q4_K_M", "llama-3.2-3b-instruct:Q4_K_M"),
    ],
)
def test_ollamas_names_mean_what_the_catalogue_has(here: Here, name: str, key: str) -> None:
    located = resolve(name, CATALOG)
    assert isinstance(located, Entry)
    assert located.key == key


def test_every_name_in_the_catalogue_means_its_model(here: Here) -> None:
    for spec in CATALOG.models:
        for name in spec.names:
            if spec.variants and CATALOG.spec(name) is spec:
                assert resolve(name, CATALOG) == Entry(spec, spec.variants[0])


# ------------------------------------------------------------------ removing


def test_a_file_is_removed_by_each_of_its_names(here: Here, tiny_model: Path) -> None:
    entry = CATALOG.find("tiny-random")
    made = "tiny-random-Q4_0-from-Q8_0.gguf"
    for name in ("tiny-random:Q4_0", "tiny-random:Q4_0-from-Q8_0", made, "ladder-tiny-random"):
        path = here.quantized("tiny-random", made, "tiny-random:Q8_0", "Q8_0")
        (kept,) = find_kept([name], contents(), CATALOG)
        assert (kept.name, kept.path) == ("tiny-random:Q4_0", path)
        remove(kept)
        assert not path.parent.exists()
    for name in ("tiny-random", "tiny-random:Q8_0", "tiny-random-Q8_0.gguf"):
        downloaded("tiny-random", None, CATALOG)
        (kept,) = find_kept([name], contents(), CATALOG)
        remove(kept)
        assert not cached_path(entry.spec, entry.variant).exists()


def test_one_file_of_a_repository_is_removed_and_others_stay(here: Here, tiny_model: Path) -> None:
    content = tiny_model.read_bytes()
    files: dict[str, bytes | Path] = {
        "Tiny-Q8_0.gguf": tiny_model,
        "Tiny-Q4_0.gguf": content + b"0",
    }
    here.hub.repositories[REPO] = Repository(files)
    downloaded(f"{REPO}:Q8_0")
    downloaded(f"{REPO}:Q4_0")
    (kept,) = find_kept([f"{REPO}:Q8_0"], contents(), CATALOG)
    assert (kept.name, kept.kind) == (f"{REPO}:Q8_0", "file")
    blob = kept.path.resolve()
    remove(kept)
    assert not blob.exists()
    assert [Path(it.path).name for it in find_local().files] == ["Tiny-Q4_0.gguf"]
    (last,) = find_kept([f"{REPO}:Q4_0"], contents(), CATALOG)
    assert (last.name, last.kind) == (REPO, "repository")


def test_what_is_another_programs_is_not_removed(here: Here, tiny_model: Path) -> None:
    blob = put_into_ollama(here, tiny_model, "registry.ollama.ai/library/tiny/1m")
    with pytest.raises(ModelNotFound, match=r"^tiny:1m is another program's, or your own: "):
        find_kept(["tiny:1m"], contents(), CATALOG)
    assert blob.exists()

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.gguf import write_small

from harness.models.catalog.catalog import load_catalog
from harness.models.ollama import ollama_models
from harness.models.resolve import FileHere, resolve
from harness.models.store_roots import StoreRoots, store_roots
from harness.models.stores import LocalFile, find_local

HEX = "0123456789abcdef" * 4
WEIGHTS = "application/vnd.ollama.image.model"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
LIST = "application/vnd.ollama.manifest.list.v2+json"
REVISION = "a" * 40


def manifest(digest: str = f"sha256:{HEX}") -> dict[str, object]:
    """A manifest as Ollama writes it."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": "sha256:" + "1" * 64,
            "size": 483,
        },
        "layers": [
            {
                "mediaType": "application/vnd.ollama.image.license",
                "digest": "sha256:" + "2" * 64,
                "size": 8433,
            },
            {"mediaType": WEIGHTS, "digest": digest, "size": 1678447520},
        ],
    }


def put(store: Path, name: str, document: object, tree: str = "manifests") -> Path:
    path = store / tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


@pytest.fixture
def ollama(tmp_path: Path) -> Path:
    """A store of Ollama's with one model's blob in it."""
    write_small(tmp_path / "ollama" / "blobs" / f"sha256-{HEX}", general__file_type=15)
    return tmp_path / "ollama"


def names(roots: StoreRoots) -> list[str]:
    return [file.name for file in find_local(roots).files]


# -------------------------------------------------------------------- Ollama


def test_a_model_of_ollama_is_found_by_its_manifest(ollama: Path) -> None:
    put(ollama, "registry.ollama.ai/library/llama3.2/3b", manifest())
    blob = ollama / "blobs" / f"sha256-{HEX}"
    expected = LocalFile(blob, "Ollama", "llama3.2:3b", blob.stat().st_size, "Q4_K_M")
    assert find_local(StoreRoots(ollama=(ollama,))).files == (expected,)


def test_the_path_of_a_blob_is_a_model_on_the_command_line(ollama: Path) -> None:
    put(ollama, "registry.ollama.ai/library/llama3.2/3b", manifest())
    (found,) = find_local(StoreRoots(ollama=(ollama,))).files
    located = resolve(str(found.path), load_catalog())
    assert isinstance(located, FileHere)
    assert located.path == found.path


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("registry.ollama.ai/library/qwen3/0.6b", "qwen3:0.6b"),
        ("registry.ollama.ai/someone/model/latest", "someone/model:latest"),
        ("hf.co/owner/repo-GGUF/Q4_K_M", "hf.co/owner/repo-GGUF:Q4_K_M"),
        ("registry.example.org/library/m/t", "registry.example.org/library/m:t"),
    ],
)
def test_a_model_is_called_as_ollama_calls_it(ollama: Path, place: str, name: str) -> None:
    put(ollama, place, manifest())
    assert names(StoreRoots(ollama=(ollama,))) == [name]


def test_two_names_of_one_blob_are_one_model(ollama: Path) -> None:
    put(ollama, "registry.ollama.ai/library/m/latest", manifest())
    put(ollama, "registry.ollama.ai/library/m/3b", manifest())
    (found,) = find_local(StoreRoots(ollama=(ollama,))).files
    assert (found.name, found.other_names) == ("m:3b", ("m:latest",))


def test_a_manifest_that_links_to_a_blob_is_followed(ollama: Path) -> None:
    target = ollama / "blobs" / ("sha256-" + "3" * 64)
    target.write_text(json.dumps(manifest()))
    link = ollama / "manifests-v2" / "registry.ollama.ai" / "library" / "m" / "new"
    link.parent.mkdir(parents=True)
    link.symlink_to(os.path.relpath(target, link.parent))
    assert [model.name for model in ollama_models(ollama)] == ["m:new"]


def test_of_a_list_of_manifests_the_one_with_a_gguf_is_taken(ollama: Path) -> None:
    tensors = {"layers": [{"mediaType": "application/vnd.ollama.image.tensor", "digest": "x"}]}
    reference = {"mediaType": MANIFEST, "digest": "sha256:" + "4" * 64, "runner": "llamacpp"}
    (ollama / "blobs" / ("sha256-" + "4" * 64)).write_text(json.dumps(manifest()))
    document = {"mediaType": LIST, "manifests": [tensors, reference]}
    put(ollama, "registry.ollama.ai/library/m/t", document, "manifests-v2")
    assert names(StoreRoots(ollama=(ollama,))) == ["m:t"]


def test_a_moved_blob_folder_is_followed(ollama: Path, tmp_path: Path) -> None:
    put(ollama, "registry.ollama.ai/library/m/t", manifest())
    (ollama / "blobs").rename(tmp_path / "elsewhere")
    (ollama / "blobs").symlink_to(tmp_path / "elsewhere")
    assert names(StoreRoots(ollama=(ollama,))) == ["m:t"]


@pytest.mark.parametrize(
    "document",
    [
        "",
        "{",
        "[" * 100_000,
        "null",
        "[]",
        '"text"',
        {"layers": None},
        {"layers": [None, 1, "x", {"mediaType": WEIGHTS}]},
        {"layers": [{"mediaType": WEIGHTS, "digest": None}]},
        {"layers": [{"mediaType": [WEIGHTS], "digest": {}}]},
        {"mediaType": LIST, "manifests": [{"mediaType": LIST, "manifests": []}, 3, None]},
        {"mediaType": LIST, "manifests": [{"digest": "sha256:" + "9" * 64}]},
        manifest("sha256:" + "../" * 16 + "etc/passwd"),
        manifest(f"sha256:../secret/{HEX[:54]}"),
        manifest(f"md5:{HEX}"),
        manifest(f"sha256:{HEX[:63]}"),
        manifest(f"sha256:{HEX[:63]}g"),
        manifest(f"sha256:{HEX}\n"),
        manifest("sha256:" + "8" * 64),
        " " * (5 << 20) + json.dumps(manifest()),
    ],
)
def test_a_manifest_that_makes_no_sense_is_passed_over(ollama: Path, document: object) -> None:
    put(ollama, "registry.ollama.ai/library/bad/t", document)
    put(ollama, "registry.ollama.ai/library/good/t", manifest())
    assert names(StoreRoots(ollama=(ollama,))) == ["good:t"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from([WEIGHTS, LIST]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["mediaType", "layers", "manifests", "digest", "config"]), inner
        )
    ),
    max_leaves=20,
)


@given(document=json_values)
def test_no_manifest_names_anything_but_a_blob(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    store = tmp_path_factory.getbasetemp() / "ollama"
    put(store, "registry.ollama.ai/library/m/t", document)
    assert list(ollama_models(store)) == []


def test_a_blob_that_is_a_link_out_of_the_store_is_passed_over(
    ollama: Path, tmp_path: Path
) -> None:
    blob = ollama / "blobs" / f"sha256-{HEX}"
    blob.rename(tmp_path / "private.gguf")
    blob.symlink_to(tmp_path / "private.gguf")
    put(ollama, "registry.ollama.ai/library/m/t", manifest())
    assert names(StoreRoots(ollama=(ollama,))) == []


def test_a_blob_that_is_a_folder_or_a_link_to_itself_is_passed_over(ollama: Path) -> None:
    for digit, make in (("5", Path.mkdir), ("6", lambda path: path.symlink_to(path.name))):
        make(ollama / "blobs" / f"sha256-{digit * 64}")
        put(ollama, f"registry.ollama.ai/library/m/{digit}", manifest("sha256:" + digit * 64))
    assert names(StoreRoots(ollama=(ollama,))) == []


# ------------------------------------------------- LM Studio, llama.cpp, the hub


def test_a_model_of_lm_studio_is_found_in_its_publishers_folder(tmp_path: Path) -> None:
    path = write_small(tmp_path / "models" / "lab" / "Model-GGUF" / "Model-Q8_0.gguf")
    (found,) = find_local(StoreRoots(lm_studio=(tmp_path / "models",))).files
    assert (found.path, found.origin) == (path, "LM Studio")
    assert found.name == "lab/Model-GGUF/Model-Q8_0.gguf"


def test_what_lies_beside_a_model_is_passed_over(tmp_path: Path) -> None:
    folder = tmp_path / "lab" / "repo"
    write_small(folder / "Model-Q8_0.gguf")
    for name in ("mmproj-Model-F16.gguf", "Model-mmproj.gguf", "mtp-Model.gguf", "imatrix.gguf"):
        write_small(folder / name)
    write_small(folder / "projector.gguf", general__architecture="clip")
    write_small(folder / "lora.gguf", general__type="adapter")
    shutil.copy(folder / "Model-Q8_0.gguf", folder / "downloading_Model-Q8_0.gguf.part")
    (folder / "page.gguf").write_text("<!DOCTYPE html>")
    (folder / "empty.gguf").touch()
    (folder / "folder.gguf").mkdir()
    (folder / "broken.gguf").symlink_to(folder / "nowhere.gguf")
    os.mkfifo(folder / "pipe.gguf")
    whole = (folder / "Model-Q8_0.gguf").read_bytes()
    (folder / "cut.gguf").write_bytes(whole[:-40])
    assert names(StoreRoots(lm_studio=(tmp_path,))) == ["lab/repo/Model-Q8_0.gguf"]
    passed = find_local(StoreRoots(lm_studio=(tmp_path,))).passed_over
    assert {each.path.removeprefix("lab/repo/"): each.why for each in passed} == {
        "mmproj-Model-F16.gguf": "projector",
        "Model-mmproj.gguf": "projector",
        "projector.gguf": "projector",
        "mtp-Model.gguf": "drafts tokens",
        "imatrix.gguf": "statistics",
    }


def test_a_file_of_any_name_is_told_by_its_header(tmp_path: Path) -> None:
    for name, architecture in (
        ("head.gguf", "eagle3"),
        ("helper.gguf", "gemma4-assistant"),
        ("Model-MTP-7B.gguf", "llama"),
    ):
        write_small(tmp_path / "lab" / "repo" / name, general__architecture=architecture)
    found = find_local(StoreRoots(lm_studio=(tmp_path,)))
    assert [file.name for file in found.files] == ["lab/repo/Model-MTP-7B.gguf"]
    assert [str(each) for each in found.passed_over] == [
        "lab/repo/head.gguf (drafts tokens)",
        "lab/repo/helper.gguf (drafts tokens)",
    ]


def test_a_split_model_is_found_once_with_the_size_of_all_parts(tmp_path: Path) -> None:
    def part(index: int, stem: str) -> Path:
        path = tmp_path / "lab" / "repo" / f"{stem}-{index:05}-of-00002.gguf"
        return write_small(path, split__no=index - 1, split__count=2, split__tensors__count=2)

    sizes = []
    for index in (1, 2):
        path = part(index, "big")
        data = path.read_bytes().replace(b"token_embd.weight", b"token_embd.%06d" % index)
        path.write_bytes(data)
        sizes.append(len(data))
    part(1, "incomplete")
    part(2, "headless")
    (found,) = find_local(StoreRoots(lm_studio=(tmp_path,))).files
    assert found.name == "lab/repo/big-00001-of-00002.gguf"
    assert found.n_bytes == sum(sizes)


def test_a_model_linked_into_lm_studio_is_found_and_offered_once(ollama: Path) -> None:
    put(ollama, "registry.ollama.ai/library/m/t", manifest())
    link = ollama.parent / "lmstudio" / "lab" / "m" / "m.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(ollama / "blobs" / f"sha256-{HEX}")
    roots = StoreRoots(lm_studio=(ollama.parent / "lmstudio",), ollama=(ollama,))
    assert names(roots) == ["lab/m/m.gguf"]


def test_folders_in_a_circle_are_not_walked(tmp_path: Path) -> None:
    write_small(tmp_path / "lab" / "repo" / "m.gguf")
    (tmp_path / "lab" / "again").symlink_to(tmp_path)
    write_small(tmp_path / "a" / "b" / "c" / "d" / "too-deep.gguf")
    assert names(StoreRoots(lm_studio=(tmp_path,))) == ["lab/repo/m.gguf"]


def test_the_flat_cache_of_llama_cpp_is_not_walked_deeper(tmp_path: Path) -> None:
    write_small(tmp_path / "ggml-org_models_tiny.gguf")
    write_small(tmp_path / "ggml-org_models_half.gguf.downloadInProgress")
    write_small(tmp_path / "deeper" / "m.gguf")
    assert names(StoreRoots(llama_cpp=(tmp_path,))) == ["ggml-org_models_tiny.gguf"]


def hub_file(root: Path, name: str, revision: str = REVISION, target: Path | None = None) -> Path:
    """A file in the hub's cache as its own program lays it out: a link to a blob."""
    repository = root / "models--lab--Model-GGUF"
    if target is None:
        target = repository / "blobs" / HEX
        if not target.exists():
            write_small(target)
    link = repository / "snapshots" / revision / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))
    return link


def test_a_model_in_the_hubs_cache_is_found_by_its_repository(tmp_path: Path) -> None:
    path = hub_file(tmp_path, "Q8_0/Model-Q8_0.gguf")
    (found,) = find_local(StoreRoots(hugging_face=(tmp_path,))).files
    assert (found.path, found.origin) == (path, "Hugging Face")
    assert found.name == "lab/Model-GGUF/Model-Q8_0.gguf"


def test_two_revisions_with_one_blob_are_one_model(tmp_path: Path) -> None:
    hub_file(tmp_path, "m.gguf")
    hub_file(tmp_path, "m.gguf", "b" * 40)
    assert len(names(StoreRoots(hugging_face=(tmp_path,)))) == 1


def test_a_link_in_the_hubs_cache_that_leads_elsewhere_is_passed_over(tmp_path: Path) -> None:
    outside = write_small(tmp_path / "private" / "m.gguf")
    hub_file(tmp_path / "hub", "m.gguf", target=outside)
    elsewhere = tmp_path / "hub" / "models--evil--repo"
    elsewhere.symlink_to(tmp_path / "private")
    assert names(StoreRoots(hugging_face=(tmp_path / "hub",))) == []


def test_a_name_that_would_steer_the_terminal_is_passed_over(tmp_path: Path) -> None:
    write_small(tmp_path / "lab" / "repo" / "\x1b[2Jm.gguf")
    write_small(tmp_path / "lab" / "repo" / "line\nbreak.gguf")
    write_small(tmp_path / "lab" / "repo" / os.fsdecode(b"\xff.gguf"))
    assert names(StoreRoots(lm_studio=(tmp_path,))) == []


def test_stores_that_are_not_there_or_closed_hold_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    places = (tmp_path / "nowhere", tmp_path / "file", closed)
    assert find_local(StoreRoots(places, places, places, places)).files == ()


# ---------------------------------------------------------------- the folders


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def test_without_settings_every_store_is_where_its_program_puts_it(home: Path) -> None:
    roots = store_roots({}, home, "linux")
    assert roots.hugging_face == (home / ".cache/huggingface/hub",)
    assert roots.lm_studio == (home / ".lmstudio/models", home / ".cache/lm-studio/models")
    assert roots.llama_cpp == (home / ".cache/llama.cpp",)
    assert roots.ollama == (home / ".ollama/models", Path("/usr/share/ollama/.ollama/models"))


def test_other_systems_have_their_own_folders(home: Path) -> None:
    mac = store_roots({}, home, "darwin")
    assert mac.llama_cpp == (home / "Library/Caches/llama.cpp",)
    assert mac.ollama == (home / ".ollama/models",)
    windows = store_roots({"LOCALAPPDATA": "/users/me/local"}, home, "win32")
    assert windows.llama_cpp == (Path("/users/me/local/llama.cpp"),)
    assert store_roots({}, home, "win32").llama_cpp == ()


@pytest.mark.parametrize(
    ("environment", "hub"),
    [
        ({"HF_HUB_CACHE": "/a", "HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"}, "/a"),
        ({"HUGGINGFACE_HUB_CACHE": "/b", "HF_HOME": "/c"}, "/b"),
        ({"HF_HOME": "/c", "XDG_CACHE_HOME": "/d"}, "/c/hub"),
        ({"XDG_CACHE_HOME": "/d"}, "/d/huggingface/hub"),
    ],
)
def test_the_hubs_own_settings_are_honoured(
    home: Path, environment: dict[str, str], hub: str
) -> None:
    assert store_roots(environment, home, "linux").hugging_face == (Path(hub),)


def test_llama_cpps_cache_is_looked_through_in_both_layouts(home: Path) -> None:
    roots = store_roots({"LLAMA_CACHE": "~/models"}, home, "linux")
    assert roots.llama_cpp == (home / "models",)
    assert roots.hugging_face == (home / ".cache/huggingface/hub", home / "models")


def test_ollamas_setting_comes_first_and_may_be_quoted(home: Path) -> None:
    assert store_roots({"OLLAMA_MODELS": ' "/big/disk" '}, home, "darwin").ollama == (
        Path("/big/disk"),
        home / ".ollama/models",
    )


def test_lm_studios_pointer_and_settings_are_followed(home: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    home.mkdir()
    (home / ".lmstudio-home-pointer").write_text(f"{moved}\n")
    (moved / "settings.json").write_text(json.dumps({"downloadsFolder": "~/big"}))
    assert store_roots({}, home, "linux").lm_studio[:2] == (home / "big", moved / "models")


@pytest.mark.parametrize("settings", ["{", "[1]", '{"downloadsFolder": 3}', "\0", "[" * 99_999])
def test_settings_of_lm_studio_that_make_no_sense_are_ignored(home: Path, settings: str) -> None:
    (home / ".lmstudio").mkdir(parents=True)
    (home / ".lmstudio" / "settings.json").write_text(settings)
    (home / ".lmstudio-home-pointer").write_text("not/absolute\0")
    assert store_roots({}, home, "linux").lm_studio == (
        home / ".lmstudio" / "models",
        home / ".cache" / "lm-studio" / "models",
    )

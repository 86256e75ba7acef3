from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest
from click.testing import CliRunner, Result
from huggingface_hub import hf_hub_download
from make.downloads import downloaded
from make.hub_at_hand import hub_at_hand
from make.hub_server import Hub, Repository, random_bytes

from harness.commands.cache.command import command
from harness.errors import FetchFailed, ModelNotFound, UsageError
from harness.models.cache import Kept, contents, find_kept, remove
from harness.models.catalog.catalog import load_catalog

REPO = "owner/model-GGUF"
CATALOG = load_catalog()  # reading it takes a tenth of a second
CONTENT = random_bytes(50_000)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.chdir(tmp_path)
    with hub_at_hand(tmp_path, monkeypatch) as hub:
        files = {"m-Q4_K_M.gguf": CONTENT, "m-Q8_0.gguf": CONTENT[:-1]}
        hub.repositories[REPO] = Repository(files)  # type: ignore[arg-type]  # invariant
        yield hub


def by_name() -> dict[str, Kept]:
    return {kept.name: kept for kept in contents()}


def put_part(folder: Path) -> Path:
    part = folder / "hf/hub/models--owner--model-GGUF/blobs" / f"{'a' * 64}.part"
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_bytes(bytes(7000))
    return part


def harness_cache(*arguments: str, answer: str = "") -> Result:
    return CliRunner().invoke(command, arguments, input=answer)


def test_an_empty_cache_holds_nothing(hub: Hub) -> None:
    assert contents() == []
    assert harness_cache().stdout.startswith("0 B in ")


def test_everything_is_told_with_its_size_the_largest_first(hub: Hub, tmp_path: Path) -> None:
    downloaded("tiny-random", None, CATALOG)
    downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    hf_hub_download(REPO, "m-Q8_0.gguf")
    put_part(tmp_path)
    kept = by_name()
    assert {name: (each.kind, each.n_bytes) for name, each in kept.items()} == {
        "tiny-random:Q8_0": ("model", 1_024_768),
        REPO: ("repository", 106_999),
        f"{REPO}.part": ("partial", 7000),
        "digests": ("digests", kept["digests"].n_bytes),
    }
    assert [each.n_bytes for each in contents()] == sorted(
        (each.n_bytes for each in contents()), reverse=True
    )
    shown = harness_cache().stdout
    assert "tiny-random:Q8_0" in shown
    assert "unfinished" in shown


def test_a_repository_is_removed_with_all_its_files(hub: Hub, tmp_path: Path) -> None:
    downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    downloaded("tiny-random", None, CATALOG)
    part = put_part(tmp_path)
    remove(by_name()[REPO])
    assert not part.parents[1].exists()
    assert set(by_name()) == {"tiny-random:Q8_0", "digests"}


def test_only_what_is_unfinished_can_be_removed(hub: Hub, tmp_path: Path) -> None:
    local = downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    part = put_part(tmp_path)
    remove(by_name()[f"{REPO}.part"])
    assert not part.exists()
    assert local.path.read_bytes() == CONTENT


def test_a_repository_with_nothing_finished_is_removed_too(hub: Hub, tmp_path: Path) -> None:
    part = put_part(tmp_path)
    remove(by_name()[REPO])
    assert not part.parents[1].exists()


def test_what_is_being_fetched_stays(hub: Hub, tmp_path: Path) -> None:
    part = put_part(tmp_path)
    path = tmp_path / "hf/hub/.locks/models--owner--model-GGUF" / f"{'a' * 64}.lock"
    path.parent.mkdir(parents=True)
    with filelock.FileLock(path):
        for name in (REPO, f"{REPO}.part"):
            with pytest.raises(FetchFailed, match="is being fetched just now"):
                remove(by_name()[name])
    assert part.exists()


def test_our_own_models_and_digests_are_removed(hub: Hub, tmp_path: Path) -> None:
    downloaded("tiny-random", None, CATALOG)
    for name in ("tiny-random:Q8_0", "digests"):
        remove(by_name()[name])
    assert contents() == []
    assert (tmp_path / "own").is_dir()


def test_a_twin_that_was_kept_is_listed_and_removed(hub: Hub, tmp_path: Path) -> None:
    twin = tmp_path / "own/twins/twin-tiny-random-Q8_0/tiny-random-Q8_0.gguf"
    twin.parent.mkdir(parents=True)
    twin.write_bytes(CONTENT)
    kept = by_name()["twin-tiny-random-Q8_0"]
    assert (kept.kind, kept.n_bytes, kept.n_files) == ("twin", len(CONTENT), 1)
    assert "random weights" in harness_cache().stdout
    assert harness_cache("rm", "twin-tiny-random-Q8_0", "--yes").exit_code == 0
    assert contents() == []


def test_what_a_link_leads_to_stays(hub: Hub, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "blobs").mkdir(parents=True)
    (outside / "blobs" / "precious.part").write_bytes(b"x")
    (outside / "precious.gguf").write_bytes(b"x")
    cache, own = tmp_path / "hf/hub", tmp_path / "own/models"
    for folder in (cache, own):
        folder.mkdir(parents=True)
    (cache / "models--owner--linked").symlink_to(outside)
    (own / "linked.gguf").symlink_to(outside / "precious.gguf")
    (own / "linked-folder").symlink_to(outside)
    kept = by_name()
    assert {each.n_bytes for each in kept.values()} == {0}
    for each in kept.values():
        remove(each)
    assert contents() == []
    assert (outside / "precious.gguf").read_bytes() == b"x"
    assert (outside / "blobs" / "precious.part").read_bytes() == b"x"


def test_only_what_is_listed_can_be_named(hub: Hub) -> None:
    downloaded("tiny-random", None, CATALOG)
    with pytest.raises(ModelNotFound, match=r"the cache has no \.\./x: it has tiny-random:Q8_0"):
        find_kept(["../x"], contents())
    shutil.rmtree(by_name()["tiny-random:Q8_0"].path.parents[1])
    with pytest.raises(ModelNotFound, match="it is empty"):
        find_kept(["x"], contents())


def test_it_asks_before_it_removes(hub: Hub) -> None:
    local = downloaded("tiny-random", None, CATALOG)
    declined = harness_cache("rm", "TINY-random-Q8_0.gguf", answer="n\n")
    assert "nothing was removed" in declined.stderr
    assert local.path.exists()
    agreed = harness_cache("rm", "tiny-random-Q8_0.gguf", answer="y\n")
    assert (agreed.exit_code, agreed.stdout) == (0, "")
    assert "removed 1.02 MB" in agreed.stderr
    assert not local.path.exists()


def test_it_does_not_ask_when_told_so(hub: Hub) -> None:
    local = downloaded("tiny-random", None, CATALOG)
    assert harness_cache("rm", "--yes", "tiny-random-Q8_0.gguf").exit_code == 0
    assert not local.path.exists()


def test_without_anybody_to_ask_the_option_is_named(hub: Hub) -> None:
    downloaded("tiny-random", None, CATALOG)
    done = harness_cache("rm", "tiny-random-Q8_0.gguf")
    assert isinstance(done.exception, UsageError)
    assert "--yes" in str(done.exception)
    (kept,) = [each for each in contents() if each.kind == "model"]
    document = json.loads(harness_cache("rm", "tiny-random-Q8_0.gguf", "--yes", "--json").stdout)
    assert [each["n_bytes"] for each in document["removed"]] == [kept.n_bytes]
    assert kept.name not in by_name()

"""Headers from here, from a hub on loopback, and from the layouts of the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from make.downloads import downloaded
from make.gguf import SMALL, Value, Weight, head
from make.hub_at_hand import hub_at_hand
from make.hub_server import Fault, Hub, Repository

from harness.errors import FetchFailed, LayoutUnknown, ModelNotFound, UsageError
from harness.files import FetchProgress, untold
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.models.digest import sha256_of
from harness.models.find import find, find_all
from harness.models.gguf.model_file import describe

REPO = "lab/Tiny-GGUF"
GEMMA = "unsloth/gemma-3-270m-it-GGUF"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> Iterator[Hub]:
    with hub_at_hand(tmp_path, monkeypatch) as made:
        made.repositories[REPO] = Repository({"tiny-Q8_0.gguf": tiny_model})
        yield made


def catalog_with(repo: str, **changes: object) -> Catalog:
    """The catalogue, with one model's files in `repo`."""
    spec = load_catalog().spec("gemma-3-270m-it")
    variant = spec.variants[0]
    source = variant.source.model_copy(update={"repo": repo})
    own = variant.model_copy(update={"source": source, **changes})
    changed = spec.model_copy(update={"variants": (own,)})
    return Catalog(schema_version=1, models=(changed,))


# ------------------------------------------------------------------ here


def test_a_file_of_the_users_own_is_read_where_it_lies(tiny_model: Path) -> None:
    found = find(str(tiny_model))
    assert (found.origin, found.path, found.key) == ("local", tiny_model, "tiny.gguf")
    assert found.file == describe(tiny_model, "tiny.gguf").model_copy(
        update={"sha256": found.file.sha256}
    )
    (part,) = found.parts
    assert part.data == tiny_model.read_bytes()[: part.header.data_start]
    assert part.n_bytes == tiny_model.stat().st_size
    assert found.n_fetched_bytes == 0


def test_a_file_of_the_cache_is_not_asked_for(hub: Hub) -> None:
    downloaded(f"{REPO}:Q8_0")
    hub.requests.clear()
    found = find(f"{REPO}:Q8_0")
    assert (found.origin, found.key, hub.requests) == ("local", f"{REPO}:Q8_0", [])
    assert found.variant is not None
    assert found.file.sha256 == found.variant.sha256


def test_the_generated_model_is_written_when_it_is_not_there(hub: Hub) -> None:
    found = find("tiny-random", asks_hub=False)
    assert (found.origin, found.file.architecture) == ("local", "llama")
    assert hub.requests == []


# ------------------------------------------------------------------ the hub


def test_of_a_model_on_the_hub_the_header_is_fetched_and_no_more(
    hub: Hub, tiny_model: Path
) -> None:
    found = find(f"{REPO}:Q8_0")
    here = find(str(tiny_model))
    assert (found.origin, found.path, found.spec) == ("hub", None, None)
    assert found.source == f"{REPO} at {hub.repositories[REPO].commit[:8]}"
    assert found.parts[0].data == here.parts[0].data
    assert found.headers == here.headers
    assert found.file == here.file.model_copy(
        update={
            "key": f"{REPO}:Q8_0",
            "file_name": "tiny-Q8_0.gguf",
            "sha256": hub.repositories[REPO].digest("tiny-Q8_0.gguf"),
        }
    )


def test_a_header_costs_at_most_three_tenths_more_than_its_bytes(hub: Hub) -> None:
    tokens = [f"{index:x}" + "abcdefgh"[: index % 6] for index in range(150_000)]
    keys: dict[str, Value] = {
        **SMALL,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [0.0] * len(tokens),
    }
    made = head(keys, [Weight("token_embd.weight", (64, len(tokens)))])
    content = made.data + bytes(made.n_bytes - len(made.data))
    hub.repositories[REPO] = Repository({"large-F32.gguf": content})
    found = find(f"{REPO}:F32")
    assert found.parts[0].data == made.data
    assert found.n_fetched_bytes <= 1.3 * len(made.data)
    assert found.file.n_bytes > 5 * found.n_fetched_bytes


def test_of_a_split_model_the_header_of_every_part_is_fetched(hub: Hub) -> None:
    contents: dict[str, bytes | Path] = {}
    for index in range(2):
        keys: dict[str, Value] = {
            **SMALL,
            "split.no": index,
            "split.count": 2,
            "split.tensors.count": 2,
        }
        name = ("token_embd.weight", "output.weight")[index]
        made = head(keys, [Weight(name, (64, 100))])
        contents[f"two-Q8_0-{index + 1:05}-of-00002.gguf"] = made.data + bytes(
            made.n_bytes - len(made.data)
        )
    hub.repositories[REPO] = Repository(contents)
    found = find(f"{REPO}:Q8_0")
    assert [part.file_name for part in found.parts] == list(contents)
    assert found.file.n_bytes == sum(len(it) for it in contents.values() if type(it) is bytes)
    assert found.file.n_params == 2 * 64 * 100


def test_a_repository_without_that_quantization_says_what_it_has(hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match=r"has no Q4_K_M: it has Q8_0"):
        find(f"{REPO}:Q4_K_M")


def test_a_model_of_the_catalogue_is_known_with_its_entry(hub: Hub) -> None:
    found = find("gemma-3-270m-it", catalog=catalog_with(REPO, n_bytes=None))
    assert (found.origin, found.key) == ("hub", "gemma-3-270m-it:Q8_0")
    assert found.spec is not None
    assert found.file.architecture == "llama"  # the hub's word, not the catalogue's


# ------------------------------------------------------------------ the weights


def test_weights_are_downloaded_and_known_by_their_digest(hub: Hub, tiny_model: Path) -> None:
    found = find(f"{REPO}:Q8_0", want="weights")
    assert (found.origin, found.key) == ("local", f"{REPO}:Q8_0")
    assert found.weights.read_bytes() == tiny_model.read_bytes()
    assert found.file.sha256 == hub.repositories[REPO].digest("tiny-Q8_0.gguf")


def test_a_file_of_the_users_own_is_hashed_when_its_weights_are_wanted(tiny_model: Path) -> None:
    found = find(str(tiny_model), want="weights")
    assert found.path == tiny_model
    assert found.file.sha256 == sha256_of(tiny_model)
    assert found.work.weights_bytes == found.file.weights_bytes


def test_a_mistyped_name_costs_no_download(hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match="nosuch"):
        find_all([f"{REPO}:Q8_0", "nosuch"], load_catalog(), untold)
    assert not [request for request in hub.requests if "resolve" in str(request)]


def test_the_same_model_named_twice_is_one(hub: Hub) -> None:
    one, other = find_all([f"{REPO}:Q8_0", f"{REPO}:q8_0"], load_catalog(), untold)
    assert (one.key, one.path) == (other.key, other.path)


def test_two_files_of_one_name_are_refused(tmp_path: Path, tiny_model: Path) -> None:
    paths = [tmp_path / folder / "same.gguf" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_bytes(tiny_model.read_bytes())
    with pytest.raises(UsageError, match=r"Two files are both called same\.gguf: .*Rename one"):
        find_all([str(path) for path in paths], load_catalog(), untold)


# ------------------------------------------------------------------ the shape


def test_without_a_hub_the_catalogues_shape_serves(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    found = find("gemma-3-270m-it")
    assert (found.origin, found.path) == ("shape", None)
    assert "HF_HUB_OFFLINE" in (found.note or "")
    assert found.file.architecture == "gemma3"
    assert found.file.n_layer == 18
    assert found.parts[0].n_bytes == found.headers[0].data_end
    assert hub.requests == []


def test_a_hub_that_refuses_leaves_the_shape_and_says_why(hub: Hub, tiny_model: Path) -> None:
    hub.repositories[GEMMA] = Repository({"tiny-Q8_0.gguf": tiny_model}, is_gated=True)
    found = find("gemma-3-270m-it", catalog=catalog_with(GEMMA, n_bytes=None, sha256=None))
    assert found.origin == "shape"
    assert "gated" in (found.note or "")


def test_a_mix_that_nobody_can_lay_out_says_what_stands_for_it(hub: Hub) -> None:
    plain = find("deepseek-r1-0528-qwen3-8b:Q4_K_M", asks_hub=False)
    mix = find("deepseek-r1-0528-qwen3-8b:UD-Q4_K_XL", asks_hub=False)
    assert plain.source == "the catalogue's shape"
    assert mix.source == "the catalogue's shape, its weights laid out as Q4_K_M"


def test_asked_not_to_it_asks_no_hub(hub: Hub) -> None:
    assert find("gemma-3-270m-it", asks_hub=False).origin == "shape"
    assert hub.requests == []


def test_a_repository_has_no_layout_to_fall_back_on(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        LayoutUnknown, match=r"neither a header nor a layout \(the hub was not asked\)"
    ):
        find(f"{REPO}:Q8_0", asks_hub=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FetchFailed, match="HF_HUB_OFFLINE"):
        find(f"{REPO}:Q8_0")


def test_an_entry_of_the_users_own_needs_its_file_or_its_repository(hub: Hub) -> None:
    own = load_catalog().spec("gemma-3-270m-it").model_copy(update={"name": "mine"})
    catalog = Catalog(schema_version=1, models=(own,))
    with pytest.raises(
        LayoutUnknown, match=r"^mine:Q8_0 has neither .* or pass the path of its file"
    ):
        find("mine", catalog=catalog, asks_hub=False)


def test_a_file_of_another_repository_has_another_layout(hub: Hub) -> None:
    with pytest.raises(LayoutUnknown):
        find("gemma-3-270m-it", catalog=catalog_with("lab/Other"), asks_hub=False)


def test_a_busy_hub_is_waited_for_and_then_left(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.models.find._N_ATTEMPTS", 1)
    hub.api_faults.append(Fault(status=503, times=99))
    told: list[FetchProgress] = []
    found = find("gemma-3-270m-it", on_progress=told.append)
    assert (found.origin, told) == ("shape", [])
    assert "HTTP 503" in (found.note or "")

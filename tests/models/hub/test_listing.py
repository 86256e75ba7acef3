from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from make.downloads import downloaded
from make.hub_at_hand import HASTY, hub_at_hand, point_at
from make.hub_server import Fault, Hub, Repository, random_bytes

from harness.errors import FetchFailed, HarnessError, ModelNotFound
from harness.files import FetchProgress
from harness.models.catalog.catalog import Catalog, Entry, load_catalog
from harness.models.download import DownloadRequest, local_path
from harness.models.hub.listing import list_repository
from harness.models.hub.plan import HubUnreachable

REPO = "owner/model-GGUF"
NAME = "model-Q4_K_M.gguf"
CONTENT = random_bytes(50_000)
ASKING = DownloadRequest(asks_hub=True)
CATALOG = load_catalog()  # reading it takes a tenth of a second


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.chdir(tmp_path)
    with hub_at_hand(tmp_path, monkeypatch) as hub:
        hub.repositories[REPO] = Repository({NAME: CONTENT, "model-Q8_0.gguf": CONTENT[:-1]})
        yield hub


def catalog_of(**variant: object) -> Catalog:
    """A catalogue whose only model is the hub's; `variant` adds what is known of its file."""
    spec = CATALOG.find("tiny-random").spec.model_dump(by_alias=True)
    source = {"kind": "hub", "repo": REPO} | dict(variant.pop("source", {}))  # type: ignore[call-overload]
    variants = [{"quantization": "Q4_K_M", "source": source} | variant]
    return Catalog.model_validate(
        {"schema": 1, "models": [spec | {"name": "model", "variants": variants}]}
    )


def sha256_of_model(hub: Hub) -> str:
    return hub.repositories[REPO].digest(NAME)


def refusal(repo: str = REPO, revision: str | None = None) -> str:
    with pytest.raises(HarnessError) as caught:
        list_repository(repo, revision, HASTY)
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message


# -------------------------------------------------------------------- listings


def test_a_listing_is_of_one_commit_and_of_models_only(hub: Hub) -> None:
    hub.repositories[REPO] = Repository({NAME: CONTENT, "README.md": b"", "a/B.GGUF": CONTENT})
    listing = list_repository(REPO)
    assert [file.path for file in listing.files] == ["a/B.GGUF", NAME]
    assert listing.commit == hub.repositories[REPO].commit
    assert listing.files[1].n_bytes == len(CONTENT)
    assert listing.files[1].sha256 == sha256_of_model(hub)


def test_a_listing_of_several_pages_is_read_to_its_end(hub: Hub) -> None:
    hub.page_size = 7
    hub.repositories[REPO] = Repository({f"m{n}-Q8_0.gguf": CONTENT for n in range(30)})
    assert len(list_repository(REPO).files) == 30


def test_what_cannot_be_found_is_named(hub: Hub) -> None:
    assert "there is no repository owner/none at http" in refusal("owner/none")
    assert "has no revision 'v9'; its branches" in refusal(revision="v9")
    assert "is not a revision" in refusal(revision="../main")


def test_the_nearest_repository_of_the_catalogue_is_offered(hub: Hub) -> None:
    with pytest.raises(ModelNotFound, match=r"the catalogue knows owner/model-GGUF$"):
        downloaded("owner/modle-GGUF:Q4_K_M", None, catalog_of())


def test_a_gated_repository_says_how_to_get_in(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.repositories[REPO].is_gated = True
    with pytest.raises(FetchFailed, match=f"is gated: ask for access at {hub.endpoint}/{REPO}, "):
        downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert downloaded(f"{REPO}:Q4_K_M", None, CATALOG).path.read_bytes() == CONTENT


def test_a_private_repository_needs_the_right_token(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repositories[REPO].private_token = "hf_right"
    assert "set HF_TOKEN, or run `hf auth login`" in refusal()
    monkeypatch.setenv("HF_TOKEN", "hf_right")
    assert list_repository(REPO).files


@pytest.mark.parametrize(
    ("status", "headers", "complaint"),
    [
        (401, {}, r"refuses access to owner/model-GGUF \(HTTP 401\)"),
        (403, {}, r"refuses access .*HTTP 403.*HF_TOKEN"),
        (403, {"X-Error-Message": "Access to this resource is disabled."}, "been disabled"),
        (429, {}, "limits how often"),
        (429, {"Retry-After": "9999"}, "asks to wait 2h46m"),
        (500, {}, "answered HTTP 500"),
        (418, {}, "answered HTTP 418"),
    ],
)
def test_a_hub_that_refuses_is_quoted_in_one_line(
    hub: Hub, status: int, headers: dict[str, str], complaint: str
) -> None:
    hub.api_faults = [Fault(status=status, headers=headers, times=99)]
    with pytest.raises(FetchFailed, match=complaint) as caught:
        list_repository(REPO, None, HASTY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b'"x"', b'{"sha": 5}', b"{}"])
def test_what_is_no_hub_is_not_taken_for_one(hub: Hub, body: bytes) -> None:
    hub.api_faults = [Fault(status=200, body=body, times=99)]
    assert "check HF_ENDPOINT" in refusal()


# ------------------------------------------------------------- evil repositories


@pytest.mark.parametrize(
    "name",
    [
        "../../../evil-Q4_K_M.gguf", "/etc/evil-Q4_K_M.gguf", "C:/evil-Q4_K_M.gguf",
        "..\\evil-Q4_K_M.gguf", "evil\x1b[2J-Q4_K_M.gguf", "evil\n-Q4_K_M.gguf",
    ],
)  # fmt: skip
def test_a_repository_with_names_that_lead_elsewhere_is_refused(
    hub: Hub, tmp_path: Path, name: str
) -> None:
    hub.repositories[REPO] = Repository({name: CONTENT, NAME: CONTENT})
    assert "under the unsafe name" in refusal()
    with pytest.raises(FetchFailed, match="do not trust this repository"):
        downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    assert hub.bodies() == []
    assert not (tmp_path / "hf").exists()


@pytest.mark.parametrize("digest", ["../../../../evil", "", "A" * 64, "a" * 63])
def test_a_digest_that_is_none_is_refused(hub: Hub, digest: str) -> None:
    hub.digests[NAME] = digest
    assert "states no digest of model-Q4_K_M.gguf" in refusal()


@pytest.mark.parametrize("size", [-1, None, "5", 1.5, True])
def test_a_size_that_is_none_is_refused(hub: Hub, size: object) -> None:
    hub.repositories[REPO].sizes[NAME] = size
    assert "gives model-Q4_K_M.gguf no size" in refusal()


def test_a_commit_that_is_none_is_refused(hub: Hub) -> None:
    hub.repositories[REPO].commit = "../../evil"
    assert "the hub gave no commit" in refusal()


# ------------------------------------------------------------------- the token


def test_the_token_goes_to_the_hub_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    at_hub = [request for request in hub.requests if not request.is_cdn]
    at_cdn = [request for request in hub.requests if request.is_cdn]
    assert {request.headers.get("authorization") for request in at_hub} == {"Bearer hf_secret"}
    assert at_cdn
    assert all("hf_secret" not in str(request) for request in at_cdn)


def test_a_next_page_elsewhere_does_not_get_the_token(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(10)
        hub.page_size, hub.next_page_at = 1, f"http://127.0.0.1:{elsewhere.getsockname()[1]}"
        got: list[bytes] = []

        def answer() -> None:
            connection, _ = elsewhere.accept()
            got.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        refusal()
        thread.join(10)
    assert got
    assert b"GET /api/models" in got[0]
    assert b"hf_secret" not in got[0]


def test_a_password_in_the_endpoint_is_not_repeated(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    point_at(hub.endpoint.replace("//", "//user:hunter2@"), monkeypatch)
    message = refusal("owner/none")
    assert "hunter2" not in message
    assert hub.endpoint in message


# --------------------------------------------------------------------- offline


def test_without_a_network_what_is_cached_is_used(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    with socket.create_server(("127.0.0.1", 0)) as server:
        unused = f"http://127.0.0.1:{server.getsockname()[1]}"
    point_at(unused, monkeypatch)
    seen: list[FetchProgress] = []
    for request in (ASKING, DownloadRequest()):
        assert downloaded(f"{REPO}:Q4_K_M", seen.append, CATALOG, request) == there
    assert [progress.phase for progress in seen] == ["offline"]
    with pytest.raises(HubUnreachable, match=f"{unused} cannot be reached for {REPO}"):
        downloaded(f"{REPO}:Q8_0", None, CATALOG)


def test_offline_mode_asks_nobody(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    there = downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    n_requests = len(hub.requests)
    assert downloaded(REPO, None, CATALOG) == there
    assert downloaded(f"{REPO}:q4_k_m", None, CATALOG, ASKING) == there
    with pytest.raises(FetchFailed, match=r"is not in the cache, and HF_HUB_OFFLINE forbids"):
        downloaded(f"{REPO}:Q8_0", None, CATALOG)
    assert len(hub.requests) == n_requests


def test_a_busy_hub_does_not_keep_one_from_what_is_cached(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = downloaded(f"{REPO}:Q4_K_M", None, CATALOG)
    n_requests = len(hub.requests)
    assert downloaded(f"{REPO}:Q4_K_M", None, CATALOG) == there
    assert len(hub.requests) == n_requests


def test_parts_in_the_cache_are_used_only_when_all_are_there(hub: Hub) -> None:
    names = [f"m-Q2_K-0000{n}-of-00002.gguf" for n in (1, 2)]
    hub.repositories[REPO] = Repository(dict.fromkeys(names, CONTENT))
    first = downloaded(f"{REPO}:Q2_K", None, CATALOG).path
    assert (first.name, len(hub.bodies())) == (names[0], 1)  # the same bytes: one blob
    first.with_name(names[1]).unlink()
    assert downloaded(f"{REPO}:Q2_K", None, CATALOG).path == first
    assert first.with_name(names[1]).read_bytes() == CONTENT
    assert len(hub.bodies()) == 1


# --------------------------------------------------------------- the catalogue


def test_a_model_of_the_catalogue_comes_from_the_hub(hub: Hub) -> None:
    catalog = catalog_of()
    local = downloaded("model", None, catalog)
    assert (local.key, local.path.name) == ("model:Q4_K_M", NAME)
    assert local.spec == catalog.models[0]
    assert local.variant is not None
    assert (local.variant.sha256, local.variant.n_bytes) == (sha256_of_model(hub), len(CONTENT))
    assert local_path(catalog.models[0], catalog.models[0].variants[0]) == local.path


def test_any_repository_is_as_good_as_a_name(hub: Hub) -> None:
    local = downloaded(REPO, None, CATALOG)
    assert (local.key, local.spec) == (f"{REPO}:Q4_K_M", None)
    assert local.variant is not None
    assert local.variant.sha256 == sha256_of_model(hub)
    assert downloaded(f"{REPO}:q8_0", None, CATALOG).key == f"{REPO}:Q8_0"


def test_a_pinned_revision_wins(hub: Hub) -> None:
    old = Repository({NAME: CONTENT[:-5]}, branches=())
    catalog = catalog_of(source={"revision": old.commit})
    hub.repositories[REPO] = old
    local = downloaded("model", None, catalog)
    assert local.path.read_bytes() == CONTENT[:-5]
    assert local.path.parent.name == old.commit
    n_requests = len(hub.requests)
    # A commit never changes: what is here of it is all there is to know.
    assert downloaded("model", None, catalog, ASKING) == local
    assert len(hub.requests) == n_requests


def test_a_revision_may_be_named(hub: Hub) -> None:
    hub.repositories[REPO].branches = ("main", "v1", "refs/pr/1")
    for revision in ("v1", "refs/pr/1", hub.repositories[REPO].commit):
        local = downloaded(f"{REPO}:Q4_K_M", None, CATALOG, DownloadRequest(revision))
        assert local.path.read_bytes() == CONTENT
    with pytest.raises(HarnessError, match="has no revision 'v2'"):
        downloaded(f"{REPO}:Q4_K_M", None, CATALOG, DownloadRequest("v2"))
    with pytest.raises(HarnessError, match="tiny-random:Q8_0 has no revisions"):
        downloaded("tiny-random", None, CATALOG, DownloadRequest("v1"))


def test_a_file_that_is_not_the_catalogues_is_taken_only_when_told(hub: Hub) -> None:
    for known, complaint in (
        ({"sha256": "f" * 64}, r"sha256 [0-9a-f]{12}… instead of ffffffffffff…"),
        ({"bytes": 49_999}, "50,000 bytes instead of 49,999"),
    ):
        catalog = catalog_of(**known)
        with pytest.raises(FetchFailed, match=rf"has another {NAME} .*{complaint}.*--accept-chang"):
            downloaded("model", None, catalog)
        assert hub.bodies() == []
    for known in ({"sha256": "f" * 64}, {"bytes": 49_999}):
        local = downloaded("model", None, catalog_of(**known), DownloadRequest(accepts_change=True))
        assert local.variant is not None
        assert local.variant.sha256 == sha256_of_model(hub)
        with pytest.raises(FetchFailed, match="has another"):
            downloaded("model", None, catalog_of(**known))


def test_a_renamed_file_is_found_by_the_catalogues_digest(hub: Hub) -> None:
    catalog = catalog_of(sha256=sha256_of_model(hub), source={"file": NAME})
    hub.repositories[REPO] = Repository({"new-name.gguf": CONTENT, "x-Q4_K_M.gguf": b"GGUF"})
    assert downloaded("model", None, catalog).path.name == "new-name.gguf"


def test_another_model_of_the_same_repository_is_not_taken_from_the_cache(hub: Hub) -> None:
    hub.repositories[REPO] = Repository({"a-Q4_K_M.gguf": CONTENT, "b-Q4_K_M.gguf": CONTENT[:-9]})
    assert downloaded(f"{REPO}:b-Q4_K_M", None, CATALOG).path.name == "b-Q4_K_M.gguf"
    catalog = catalog_of(source={"file": "a-Q4_K_M.gguf"})
    assert downloaded("model", None, catalog).path.name == "a-Q4_K_M.gguf"


def test_listing_what_is_here_asks_nobody(hub: Hub) -> None:
    (spec,) = catalog_of().models
    assert local_path(spec, Entry(spec, spec.variants[0]).variant) is None
    assert hub.requests == []

"""What a hub may cost: each bound, at each place that asks, with one line for it."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from make.hub_at_hand import HASTY, hub_at_hand
from make.hub_server import Fault, Hub, Repository, random_bytes

from harness.errors import FetchFailed, HarnessError
from harness.files import untold
from harness.models.catalog.catalog import load_catalog
from harness.models.hub import bounds, pace
from harness.models.hub.client import session
from harness.models.hub.download import download
from harness.models.hub.files import HubReference
from harness.models.hub.listing import ask_hub, list_repository
from harness.models.hub.plan import HubUnreachable, request_of
from harness.models.hub.remote_header import fetch_headers

REPO = "owner/model-GGUF"
NAME = "model-Q4_K_M.gguf"
CONTENT = random_bytes(200_000)
CATALOG = load_catalog()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_at_hand(tmp_path, monkeypatch) as hub:
        hub.repositories[REPO] = Repository({NAME: CONTENT})
        yield hub


def refusal(ask: Callable[[], object]) -> str:
    with pytest.raises(FetchFailed) as caught:
        ask()
    message = str(caught.value)
    assert message.isprintable()
    return message


def listed() -> object:
    return list_repository(REPO, None, HASTY)


def pulled() -> None:
    plan = ask_hub(request_of(HubReference(REPO, "Q4_K_M")), untold, CATALOG, HASTY)
    download([plan], untold, retries=HASTY)


def headed() -> object:
    found = list_repository(REPO, None, HASTY)
    return fetch_headers(found, found.files, HASTY)


@dataclass(frozen=True)
class Bad:
    """An answer about a repository, and what is said of it."""

    said: str
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    status: int = 200


BAD = {
    "too many bytes": Bad("answers with more than 8.39 MB", b" " * 8_400_000),
    "too many objects": Bad("answers with 800,002 values", b"[" + b"{}," * 400_000 + b"{}]"),
    "too many numbers": Bad("answers with 1,000,001 values", b"[" + b"1," * 1_000_000 + b"1]"),
    "packed": Bad("packs its answer (", gzip.compress(b"{}"), {"Content-Encoding": "gzip"}),
    "too deep": Bad("is not a hub (RecursionError)", b"[" * 200_000),
    "5,000 digits": Bad("is not a hub (ValueError)", b'{"sha":' + b"9" * 5000 + b"}"),
    "another port": Bad("no address", headers={"Location": "http://127.0.0.1:99999/"}, status=302),
    "no name": Bad("no address", headers={"Location": f"http://{'a' * 64}.de/"}, status=302),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_an_answer_beyond_any_hubs_is_refused_in_one_line(hub: Hub, bad: Bad) -> None:
    hub.api_faults = [Fault(status=bad.status, headers=bad.headers, body=bad.body)]
    message = refusal(listed)
    assert bad.said in message
    assert "check HF_ENDPOINT and the proxy" in message
    assert len(hub.requests) == 1  # what is wrong once is not asked again


@pytest.mark.parametrize("status", [400, 401, 404, 429, 503])
@pytest.mark.parametrize("is_file", [False, True])
def test_of_an_error_nothing_but_its_status_and_headers_is_taken(
    hub: Hub, status: int, is_file: bool
) -> None:
    session()
    fault = Fault(status=status, body=b"x" * 30_000_000, times=99)
    (hub.faults if is_file else hub.api_faults).append(fault)
    tracemalloc.start()
    try:
        refusal(pulled if is_file else listed)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The server lies in this process, and its body before the measuring began.
    assert peak_bytes < 10_000_000


def test_a_redirect_may_say_something_but_not_without_end(hub: Hub) -> None:
    here = f"{hub.endpoint}/api/models/{REPO}/revision/main"
    for body in (b"Found. Redirecting.", b"x" * 20_000_000):
        fault = Fault(status=307, headers={"Location": here}, body=body)
        hub.api_faults = [fault]
        assert listed()


def test_pages_without_end_are_not_all_read(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_QUESTIONS", 20)
    hub.has_endless_pages = True
    assert f"the listing of {REPO} takes more than 20 requests" in refusal(listed)
    assert len(hub.requests) == 20


def test_many_pages_are_bounded_together(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "MOST_BYTES_IN_ALL", 10_000)
    hub.repositories[REPO] = Repository({f"m{n}-Q8_0.gguf": CONTENT for n in range(60)})
    hub.page_size = 7
    assert "answers with more than 10.0 kB" in refusal(listed)


def test_a_listing_takes_only_so_long(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LONGEST_IN_ALL_S", 0.0)
    with pytest.raises(HubUnreachable, match=rf"the listing of {REPO} took .* so far; check"):
        listed()


@pytest.mark.parametrize("n_good", [0, 1], ids=["commit", "page"])
def test_silence_is_not_waited_out(hub: Hub, monkeypatch: pytest.MonkeyPatch, n_good: int) -> None:
    monkeypatch.setattr(bounds, "LONGEST_SILENCE_S", 0.1)
    monkeypatch.setattr(bounds, "LONGEST_IN_ALL_S", 0.5)
    silent = Fault(status=200, body=b" ", drip_s=1.0, drips_headers=True, times=99)
    hub.api_faults = [*(Fault() for _ in range(n_good)), silent]
    with pytest.raises(HubUnreachable, match=r"timed out|took .* so far"):
        listed()


@pytest.mark.slow
@pytest.mark.parametrize("drips_headers", [False, True])
def test_byte_after_byte_is_too_slow(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, *, drips_headers: bool
) -> None:
    monkeypatch.setattr(pace, "WINDOW_S", 0.3)
    dripping = Fault(status=200, body=b" " * 1000, drip_s=0.05, drips_headers=drips_headers)
    hub.api_faults = [dripping]
    with pytest.raises(HubUnreachable, match=r"127\.0\.0\.1 sent \d+ B in .*, too slow to go on"):
        listed()
    body = b" " * len(CONTENT)
    hub.faults = [replace(dripping, body=body, times=99)]
    assert "kB, 6 times in a row (127.0.0.1 sent " in refusal(pulled)


def test_an_answer_takes_only_so_long(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "LONGEST_ANSWER_S", 0.1)
    hub.api_faults = [Fault(status=200, body=b" " * 1000, drip_s=0.05)]
    assert "and did not end; check HF_ENDPOINT" in refusal(listed)


def test_three_bytes_for_each_request_are_no_progress(hub: Hub) -> None:
    hub.faults = [Fault(piece_bytes=3, times=99)]
    assert "broke off at 18 B of 200 kB, 6 times in a row" in refusal(pulled)
    assert len(hub.bodies()) == 6
    hub.faults = [Fault(piece_bytes=3, times=99)]
    assert "ended" in refusal(headed) or "closed" in refusal(headed)


def test_a_hub_that_asks_for_patience_is_waited_for_by_one_rule_alone(hub: Hub) -> None:
    """huggingface_hub would sleep as long as it is told to, five times over."""
    pages = Repository({f"m{n}-Q8_0.gguf": CONTENT for n in range(3)})
    hub.repositories[REPO], hub.page_size = pages, 1
    hub.api_faults = [Fault(), Fault(), Fault(status=503, headers={"Retry-After": "100000"})]
    assert "the hub asks to wait" in refusal(listed)
    hub.api_faults = [Fault(), Fault(), Fault(status=503)]
    assert listed()


def test_what_is_listed_is_refused_by_its_own_error_not_by_a_bound(hub: Hub) -> None:
    hub.api_faults = [Fault(status=404, headers={"X-Error-Code": "RepoNotFound"})]
    with pytest.raises(HarnessError, match="there is no repository"):
        listed()
    assert bounds.LONGEST_SILENCE_S < pace.WINDOW_S  # an answer that is late is not slow

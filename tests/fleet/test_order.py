"""What a worker is told and what it answers, as it comes from a machine that nobody vouches for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import __version__
from harness.errors import HarnessError
from harness.fleet.order import Hello, Refusal, WorkerOrder, WorkerRefused, read_answer, read_order

_ONE_LINE = 600
ORDER = WorkerOrder(
    scheduler="tls://127.0.0.1:8786",
    name="studio",
    ca_pem="a",
    certificate_pem="b",
    key_pem="c",
    harness_version=__version__,
    distributed_version="2026.8.0",
    wait_ns=1,
)
HELLO: dict[str, Any] = {
    "kind": "hello",
    "harness_version": __version__,
    "python_version": "3.11.7",
    "distributed_version": "2026.8.0",
    "machine_id": "0123456789ab",
    "machine_title": "a machine",
    "hostname": "studio",
    "utc_ns": 1,
    "idle_cores_share": 0.001,
    "idle_over_ns": 1,
    "rss_bytes": 1,
}


def line_of(**change: object) -> bytes:
    return json.dumps(ORDER.model_dump() | change).encode()


def test_an_order_is_read_as_it_was_written() -> None:
    assert read_order(line_of()) == ORDER


def test_an_order_of_another_harness_says_so_whatever_else_is_in_it() -> None:
    with pytest.raises(WorkerRefused, match=r"has harness 9\.9 and this machine") as caught:
        read_order(line_of(harness_version="9.9", another_field=1))
    assert caught.value.reason == "version"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "it is empty"),
        (b"\x00\xff", "not JSON"),
        (line_of()[:-9], "not JSON"),
        (b"[]", "no order"),
        (line_of(scheduler="tls://127.0.0.1:0"), "scheduler: "),
        (line_of(scheduler="tls://127.0.0.1:99999"), "scheduler: "),
        (line_of(another_field=1), "another_field"),
    ],
)
def test_what_is_no_order_is_refused_in_a_line(line: bytes, said: str) -> None:
    with pytest.raises(WorkerRefused, match=said) as caught:
        read_order(line)
    assert caught.value.reason == "order"
    assert "\n" not in str(caught.value)


@given(st.text())
def test_what_a_machine_says_of_itself_is_one_short_line(text: str) -> None:
    found = read_answer(json.dumps(HELLO | {"machine_title": text, "hostname": text}).encode())
    assert isinstance(found, Hello)
    refused = Refusal(reason="other", message=text * 100)
    for said in (found.machine_title, found.hostname, refused.message):
        assert said.isprintable()
        assert len(said) <= _ONE_LINE


@pytest.mark.parametrize("share", [-1.0, 1e308, float("nan")])
def test_a_cost_that_nothing_has_is_no_answer(share: float) -> None:
    with pytest.raises(HarnessError, match="did not say what it is"):
        read_answer(json.dumps(HELLO | {"idle_cores_share": share}).encode())

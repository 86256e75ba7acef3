from __future__ import annotations

import os

import pytest

from harness.errors import HarnessError
from harness.models.hub.address import require_endpoint


@pytest.mark.parametrize(
    "address",
    ["https://huggingface.co", "http://[::1]:8080/", "https://user:pw@hub.example/x", "http://a:1"],
)
def test_an_address_is_taken_as_it_is(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", address)
    require_endpoint()
    assert os.environ["HF_ENDPOINT"] == address


@pytest.mark.parametrize("nothing", ["", "  "])
def test_an_empty_text_means_the_hub_itself(nothing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", nothing)
    require_endpoint()
    assert "HF_ENDPOINT" not in os.environ


@pytest.mark.parametrize(
    "malformed",
    [
        "http://[", "http://[::1", "http://a:99999", "http://a:x", "http://a:0", "ftp://a", "http://",
        "huggingface.co", "http://a b", "http://a\x1b[31mb", "https://user:secret@h:x/", "/",
        "x" * 999,
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_before_it_can_break_anything(
    malformed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", malformed)
    with pytest.raises(HarnessError, match=r"^HF_ENDPOINT is '.*', which is no address") as caught:
        require_endpoint()
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)
    assert len(str(caught.value)) < 250

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.endpoint.address import Address, split_model
from harness.errors import UsageError


@pytest.mark.parametrize(
    ("text", "url", "is_loopback"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("http://localhost:8080/v1", "http://localhost:8080", True),
        ("http://localhost:8080/v1/", "http://localhost:8080", True),
        ("http://LocalHost:80/v1/chat/completions", "http://localhost", True),
        ("https://models.example.org/api/v1", "https://models.example.org/api", False),
        ("https://models.example.org:443", "https://models.example.org", False),
        ("http://[::1]:8080", "http://[::1]:8080", True),
        ("http://[2001:db8::1]", "http://[2001:db8::1]", False),
        ("http://0.0.0.0:11434", "http://0.0.0.0:11434", True),
        ("http://127.8.9.1:1", "http://127.8.9.1:1", True),
        ("http://[::ffff:127.0.0.1]:1", "http://[::ffff:127.0.0.1]:1", True),
        ("http://localhost.example.org", "http://localhost.example.org", False),
        ("  http://10.0.0.1:8000/  ", "http://10.0.0.1:8000", False),
    ],
)
def test_an_address_is_written_in_one_way(text: str, url: str, is_loopback: bool) -> None:
    address = Address.parse(text)

    assert address.url == url
    assert address.is_loopback is is_loopback
    assert Address.parse(url) == address


def test_an_origin_has_no_path() -> None:
    assert Address.parse("https://models.example.org/api/v1").origin == "https://models.example.org"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "says neither"),
        ("localhost:8080", "says neither"),
        ("8080", "says neither"),
        ("ftp://example.org", "neither http:// nor https://"),
        ("http://", "names no server"),
        ("http://:8080", "names no server"),
        ("http://host:0", "names no server"),
        ("http://host:99999", "is not the URL"),
        ("http://[::1", "is not the URL"),
        ("http://a..b", "is not the URL"),
        ("http://ho st", "no blanks"),
        ("http://host\\path", "no blanks"),
        ("http://host\r\nHost: other", "no blanks"),
        ("http://host#model", "fragment"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        Address.parse(text)

    assert "\n" not in str(refused.value)
    assert "http://127.0.0.1:8080" in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "http://user:hunter2@host:8080",
        "https://hunter2@host",
        "user:hunter2@host",
        "http://host?api_key=hunter2",
        "http:/user:hunter2@host",
    ],
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(UsageError, match="--api-key-env") as refused:
        Address.parse(text)

    assert "hunter2" not in str(refused.value)


def test_a_model_stands_behind_a_hash() -> None:
    address, model = split_model("http://localhost:1234/v1#qwen3-4b@q4_k_m")

    assert (address.url, model) == ("http://localhost:1234", "qwen3-4b@q4_k_m")
    assert split_model("http://localhost:1234")[1] is None


def test_a_hash_without_a_model_is_refused() -> None:
    with pytest.raises(UsageError, match="names no model"):
        split_model("http://localhost:1234# ")


@given(st.text() | st.from_regex(r"https?://[^/]{0,30}(/.*)?"))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(UsageError):
        address = Address.parse(text)
        assert Address.parse(address.url) == address

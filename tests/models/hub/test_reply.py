from __future__ import annotations

import httpx2
import pytest

from harness.models.hub.reply import BadReply, Reply, read_reply, stated_digest


def headers(**given: str) -> httpx2.Headers:
    return httpx2.Headers({name.replace("_", "-"): value for name, value in given.items()})


def test_a_range_goes_on_where_it_was_asked_to() -> None:
    given = headers(content_range="bytes 40-99/100", etag='"x"')
    assert read_reply(206, given, 40, 100) == Reply(40, '"x"')


def test_a_whole_file_begins_at_its_beginning_whatever_was_asked() -> None:
    assert read_reply(200, headers(content_length="100"), 40, 100) == Reply(0, None)
    assert read_reply(200, headers(), 0, 100) == Reply(0, None)
    assert read_reply(200, headers(content_length="7", content_encoding="gzip"), 0, 100).start == 0


def test_only_a_strong_etag_is_good_for_going_on() -> None:
    assert read_reply(200, headers(etag='W/"x"'), 0, 100).etag is None
    assert read_reply(200, headers(etag='"x"'), 0, 100).etag == '"x"'


@pytest.mark.parametrize(
    ("status", "given", "complaint"),
    [
        (206, headers(content_range="bytes 30-99/100"), "bytes from 30 instead of 40"),
        (206, headers(content_range="bytes 40-98/99"), "99 bytes instead of 100"),
        (206, headers(content_range="bytes */100"), "without a usable range"),
        (206, headers(), "without a usable range"),
        (206, headers(content_range="bytes 40-99/100", content_encoding="gzip"), "usable range"),
        (204, headers(), "HTTP 204"),
        (200, headers(content_length="99"), "99 bytes instead of 100"),
    ],
)
def test_an_answer_about_other_bytes_is_not_used(
    status: int, given: httpx2.Headers, complaint: str
) -> None:
    with pytest.raises(BadReply, match=complaint):
        read_reply(status, given, 40, 100)


def test_the_hubs_own_digest_is_found_in_its_answer() -> None:
    sha256 = "a" * 64
    assert stated_digest(headers(x_linked_etag=f'"{sha256}"', etag='"other"')) == sha256
    assert stated_digest(headers(etag=f'W/"{"b" * 40}"')) == "b" * 40
    assert stated_digest(headers(etag='"5f-61a"')) is None
    assert stated_digest(headers()) is None

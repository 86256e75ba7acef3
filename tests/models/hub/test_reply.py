from __future__ import annotations

import datetime
import email.utils

import httpx2
import pytest

from harness.errors import FetchFailed
from harness.models.hub.http import Patience, asked_to_wait_s, origin
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


def test_how_long_to_wait_is_read_in_every_way_it_is_written() -> None:
    assert asked_to_wait_s(headers(retry_after="120")) == 120
    assert asked_to_wait_s(headers(ratelimit='"api";r=0;t=55', retry_after="3")) == 55
    assert asked_to_wait_s(headers(ratelimit='"api";r=9;t=55', retry_after="3")) == 3
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=90)
    for text in (email.utils.format_datetime(soon, usegmt=True), email.utils.format_datetime(soon)):
        waited_s = asked_to_wait_s(headers(retry_after=text))
        assert waited_s is not None
        assert 60 < waited_s <= 90
    assert asked_to_wait_s(headers(retry_after="Wed, 21 Oct 2015 07:28:00 GMT")) == 0
    for nonsense in ("", "soon", "-5", "1e9", "Wed, 99 Oct 2015 07:28:00 GMT"):
        assert asked_to_wait_s(headers(retry_after=nonsense)) is None


def test_patience_doubles_up_to_a_limit_and_obeys() -> None:
    patience = Patience(first_wait_s=1, longest_wait_s=5, longest_asked_s=60)
    assert [patience.wait_s(n, None) for n in (1, 2, 3, 4, 9)] == [1, 2, 4, 5, 5]
    assert patience.wait_s(1, 60) == 60
    with pytest.raises(FetchFailed, match="asks to wait 2m01s; run the same again then"):
        patience.wait_s(1, 121)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://Hub.example/a") == origin("https://hub.example:443/b?c")
    assert origin("https://hub.example") != origin("http://hub.example")
    assert origin("https://hub.example") != origin("https://hub.example:8443")
    assert origin("https://hub.example") != origin("https://cdn.hub.example")
    assert origin("https://hub.example@evil.example/") == origin("https://evil.example")

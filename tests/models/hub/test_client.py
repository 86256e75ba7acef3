from __future__ import annotations

import datetime
import email.utils

import httpx2
import pytest

from harness.errors import FetchFailed
from harness.models.hub.client import RetryPolicy, asked_to_wait_s, origin


def headers(**given: str) -> httpx2.Headers:
    return httpx2.Headers({name.replace("_", "-"): value for name, value in given.items()})


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


def test_waits_double_up_to_a_limit_and_obey_the_hub() -> None:
    retries = RetryPolicy(first_wait_s=1, longest_wait_s=5, longest_asked_s=60)
    assert [retries.wait_s(n, None) for n in (1, 2, 3, 4, 9)] == [1, 2, 4, 5, 5]
    assert retries.wait_s(1, 60) == 60
    with pytest.raises(FetchFailed, match="asks to wait 2m01s; run the same again then"):
        retries.wait_s(1, 121)


def test_an_origin_is_scheme_host_and_port() -> None:
    assert origin("https://Hub.example/a") == origin("https://hub.example:443/b?c")
    assert origin("https://hub.example") != origin("http://hub.example")
    assert origin("https://hub.example") != origin("https://hub.example:8443")
    assert origin("https://hub.example") != origin("https://cdn.hub.example")
    assert origin("https://hub.example@evil.example/") == origin("https://evil.example")

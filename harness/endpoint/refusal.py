"""What an answer with an error in it means, and what to do about it. Pure."""

from __future__ import annotations

import email.utils
import re
from datetime import UTC, datetime
from typing import Any

from harness.bounded import parsed_json
from harness.endpoint.failure import quoted
from harness.endpoint.stream import Raw
from harness.endpoint.values import items, mapping
from harness.schema.request import RequestFailure, RequestReason

_MOST_BODY_BYTES = 1 << 16
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_HTML = re.compile(rb"\s*<(?:!doctype|html)", re.IGNORECASE)


def refusal(raw: Raw) -> RequestFailure:
    """Why a request was answered with a status of 400 or above."""
    status = raw.status or 0
    told = message_of(b"".join(raw.lines)[:_MOST_BODY_BYTES], raw.secret)
    behind = f": {told}" if told else ""
    reason: RequestReason = "http-error"
    message = f"{raw.url} answered with status {status}{behind}"
    if status in (401, 403):
        reason = "refused"
        message = f"{raw.url} {_about_key(raw)} (status {status}{behind})"
    elif status == 404:
        reason = "refused"
        message = f"{raw.url} does not serve {raw.model!r} (status 404{behind}); name another model"
    elif status in (400, 413, 422):
        reason = "refused"
        message = f"{raw.url} does not take this request (status {status}{behind})"
    elif status == 429:
        reason = "rate-limited"
        message = f"{raw.url} allows no more requests now{_retry(raw)} (status 429{behind})"
    elif status == 503:
        message += _retry(raw)
    return RequestFailure(reason=reason, message=message, status=status)


def message_of(body: bytes, secret: str = "") -> str:
    """What a server says in its own words, at most 200 harmless characters; "" if nothing."""
    if _HTML.match(body):
        title = _TITLE.search(body)
        words = title[1].decode("utf-8", "replace") if title else ""
        return quoted(f"a page for a browser: {words}" if words else "a page for a browser")
    try:
        told = _worded(parsed_json(body))
    except ValueError:
        told = body.decode("utf-8", "replace")
    return quoted(told, secret)


def error_text(error: Any, secret: str) -> str:
    """The same of the value of `error` in a document."""
    return quoted(_worded({"error": error}), secret)


def _worded(document: Any) -> str:
    """The sentence in any of the forms in which servers wrap it."""
    if isinstance(document, str):
        return document
    outer = mapping(document)
    for value in (outer.get("error"), outer.get("detail"), outer.get("message"), outer.get("msg")):
        if isinstance(value, str):
            return value
        if inner := mapping(value):
            return _first_text(inner)
        if several := items(value):  # FastAPI lists what is wrong with each field
            return _first_text(mapping(several[0]))
    return ""


def _first_text(document: Any) -> str:
    words = (document.get(key) for key in ("message", "msg", "error", "detail", "type", "code"))
    return next((word for word in words if isinstance(word, str) and word), "")


def _about_key(raw: Raw) -> str:
    if raw.secret:
        return "does not take the key; check the variable that --api-key-env names"
    return "wants a key: put it into an environment variable, and name that with --api-key-env"


def _retry(raw: Raw) -> str:
    """What it says of when to come again: ", try again in 20 s"."""
    text = raw.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 8:
        return f", try again in {int(text)} s"
    try:
        at = email.utils.parsedate_to_datetime(text)
        left_s = (at.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    except (ValueError, OverflowError, TypeError, OSError):
        return ""
    return f", try again in {max(0, round(left_s))} s"

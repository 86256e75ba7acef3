"""
Whether HF_ENDPOINT is an address: before huggingface_hub is imported, which reads it then.

So nothing of that library may be needed here.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from harness.errors import HarnessError

_SHOWN_CHARACTERS = 60


def require_endpoint() -> None:
    """
    Nothing, if HF_ENDPOINT is the address of a hub; empty counts as not set.

    Raises:
        HarnessError: It is something else.
    """
    text = os.environ.get("HF_ENDPOINT")
    if text is None or _is_address(text):
        return
    if not text.strip():
        del os.environ["HF_ENDPOINT"]  # huggingface_hub would take it for the address ""
        return
    # What stands before an @ may be a password.
    shown = ascii(text.rpartition("@")[2][:_SHOWN_CHARACTERS])
    raise HarnessError(
        f"HF_ENDPOINT is {shown}, which is no address of a hub; unset it, or set it to one such as "
        "https://huggingface.co"
    )


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_plain = text.isprintable() and not any(char.isspace() for char in text)
    return parts.scheme in ("http", "https") and bool(parts.hostname) and has_port and is_plain

"""Where a server is: the address that somebody types, checked, and written in one way."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote, urlsplit

from harness.errors import UsageError

_PORTS = {"http": 80, "https": 443}
# What people copy from the documentation of a client, below which every server has the same paths.
_COPIED = ("/chat/completions", "/completions", "/v1")
_FORM = "write it as http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Address:
    """A server, and the path below which it answers: "" or "/api", without the "/v1" of most."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """
        The address that `text` names; a "/v1" at its end is taken as said.

        Raises:
            UsageError: It names none, or holds what does not belong there (a key, a password, a
                query, a fragment), which is then not repeated.
        """
        text = text.strip()
        _require_no_secret(text)
        if not text.isprintable() or " " in text or "\\" in text:
            raise UsageError(f"an endpoint's URL holds no blanks or control characters; {_FORM}")
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
            host.encode("idna")
        except ValueError:  # UnicodeError is one
            raise UsageError(f"{_named(text)} is not the URL of a server; {_FORM}") from None
        scheme = parts.scheme.lower()
        if "://" not in text:
            raise UsageError(f"{_named(text)} says neither http:// nor https://; {_FORM}")
        if scheme not in _PORTS:
            raise UsageError(f"{_named(text)} is neither http:// nor https://; {_FORM}")
        if not host or port == 0:
            raise UsageError(f"{_named(text)} names no server; {_FORM}")
        prefix = _prefix(parts.path)
        known: Literal["http", "https"] = "https" if scheme == "https" else "http"
        return cls(known, host, _PORTS[scheme] if port is None else port, prefix)

    @property
    def origin(self) -> str:
        """Scheme, host and port, to which alone a key is sent: "http://127.0.0.1:8080"."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """The one way in which this address is written; it holds no secret."""
        return f"{self.origin}{self.prefix}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine by its name, so that no packet leaves it."""
        host = self.host.rstrip(".")
        if host == "localhost" or host.endswith(".localhost"):
            return True
        try:
            ip = ipaddress.ip_address(host)
        except ValueError:
            return False
        mapped = getattr(ip, "ipv4_mapped", None) or ip
        # 0.0.0.0 and [::] reach this machine too: people copy what their server listens to.
        return bool(mapped.is_loopback or mapped.is_unspecified)


def split_model(text: str) -> tuple[Address, str | None]:
    """
    Of "URL#MODEL" both, of a URL alone no model.

    Raises:
        UsageError: As `Address.parse`, or nothing stands behind the "#".
    """
    url, mark, model = text.strip().partition("#")
    address = Address.parse(url)
    if not mark:
        return address, None
    if not model.strip() or not model.isprintable():
        raise UsageError(
            f"{address.url}# names no model; write it behind the #, or leave that away"
        )
    return address, model.strip()


def _require_no_secret(text: str) -> None:
    """Nothing, if `text` has no part that is kept secret; the message repeats none of it."""
    if "@" in text:
        raise UsageError(
            "an endpoint's URL must not hold a user name or a password, which would be stored with "
            "the results; put the key into an environment variable and name that: --api-key-env"
        )
    if "?" in text or "#" in text:
        raise UsageError(
            f"an endpoint's URL has neither a query nor a fragment; {_FORM}, and a key goes into "
            "an environment variable: --api-key-env"
        )


def _prefix(path: str) -> str:
    """`path` without slashes at its end, and without what every server has below its prefix."""
    path = path.rstrip("/")
    for copied in _COPIED:
        path = path.removesuffix(copied).rstrip("/")
    return quote(path, safe="/%:!$&'()*+,;=~@")


def _named(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}…")

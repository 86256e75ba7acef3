from __future__ import annotations

import ssl
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="the extra `fleet` is not installed")

from harness.fleet.certificates import Authority
from harness.fleet.order import Certificate


def context(own: Certificate, folder: Path, purpose: ssl.Purpose) -> ssl.SSLContext:
    made = ssl.create_default_context(purpose, cadata=own.ca_pem)
    folder.mkdir(exist_ok=True)
    (folder / "own.pem").write_text(own.certificate_pem + own.key_pem)
    made.load_cert_chain(folder / "own.pem")
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 asks of everybody
    return made


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> None:
    """Both handshakes in memory; an SSLError where one side does not believe the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        server.wrap_bio(to_server, to_client, server_side=True),
        client.wrap_bio(to_client, to_server),
    ]
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    ends[0].getpeercert()


def test_members_of_a_fleet_believe_each_other(tmp_path: Path) -> None:
    authority = Authority()
    one, other = authority.vouch_for("studio"), authority.vouch_for("x" * 100)
    shake_hands(
        context(one, tmp_path / "1", ssl.Purpose.CLIENT_AUTH),
        context(other, tmp_path / "2", ssl.Purpose.SERVER_AUTH),
    )


def test_a_member_of_another_fleet_is_not_believed(tmp_path: Path) -> None:
    one, other = Authority().vouch_for("studio"), Authority().vouch_for("studio")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(
            context(one, tmp_path / "1", ssl.Purpose.CLIENT_AUTH),
            context(other, tmp_path / "2", ssl.Purpose.SERVER_AUTH),
        )


def test_a_certificate_shows_its_key_to_nobody() -> None:
    assert "PRIVATE" not in repr(Authority().vouch_for("studio"))

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.measure.jobs import score_text
from harness.measure.jobs.score_text import default_text, read_text


def test_the_default_text_is_enough_for_many_chunks_and_the_same_each_time() -> None:
    text = default_text()
    # Of English, a token is about four bytes: 32 chunks of 512.
    assert len(text.data) > 4 * 32 * 512
    assert text.data.decode("utf-8")
    assert text.facts == default_text().facts
    assert text.facts.sha256 == hashlib.sha256(text.data).hexdigest()
    assert "pydoc_data.topics of Python 3." in text.name


def test_a_file_is_taken_byte_by_byte(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes("Grüße\r\nfrom π\n".encode())
    text = read_text(path)
    assert (text.name, text.data) == ("text.txt", path.read_bytes())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no text"),
        (b" \n\t ", "no text"),
        ("Grüße".encode("latin-1"), "not UTF-8: byte 2 is 0xfc"),
        (b"\xff\xfea\x00", "not UTF-8: byte 0 is 0xff"),
        (b"ok \xed\xa0\x80", "not UTF-8: byte 3"),
    ],
)
def test_a_bad_file_is_one_clear_line(tmp_path: Path, data: bytes, said: str) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=said):
        read_text(path)


def test_what_is_no_file_is_one_clear_line(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.txt"):
        with pytest.raises(UsageError, match="cannot be read"):
            read_text(path)


def test_a_file_that_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.txt"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UsageError, match="cut a piece"):
        read_text(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_text_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(score_text, "_MOST_BYTES", 1_000_000)
    with pytest.raises(UsageError, match=r"/dev/zero has more than 1\.00 MB"):
        read_text(Path("/dev/zero"))

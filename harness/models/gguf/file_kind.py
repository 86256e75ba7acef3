"""What a file is that was taken for a GGUF: the usual mix-ups, told by the first bytes."""

from __future__ import annotations

from harness.errors import ModelInvalid


def check_magic(head: bytes, name: str) -> None:
    """
    Nothing, if `head` begins a GGUF file.

    Raises:
        ModelInvalid: It does not; the message says what the file looks like instead.
    """
    if head[:4] == b"GGUF":
        return
    known = {
        b"version https://git-lfs": "a git-lfs pointer: run `git lfs pull`, or download the file",
        b"<": "a web page: download the file itself, not the page about it",
        b"{": "JSON, perhaps an error message saved as a file: download it again",
        b"PK\x03\x04": "a zip archive: unpack it, or convert the PyTorch weights to GGUF",
        b"FUGG": "written backwards (big-endian): convert it again on a little-endian machine",
        b"tjgg": "in the old GGJT format: convert it again, or download a GGUF",
        b"lmgg": "in the old GGML format: convert it again, or download a GGUF",
        b"\x1f\x8b": "a gzip archive: unpack it first",
    }
    for start, meaning in known.items():
        if head.lstrip()[:32].startswith(start):
            raise ModelInvalid(f"{name} is not a GGUF file but {meaning}")
    if head[8:10] == b'{"':
        raise ModelInvalid(f"{name} is a safetensors file; convert it to GGUF, or download a GGUF")
    raise ModelInvalid(
        f"{name} is not a GGUF file (it begins with {head[:4]!r}); pass a .gguf file"
    )

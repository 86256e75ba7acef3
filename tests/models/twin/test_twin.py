"""Twins as the real engine takes them, in a process of its own."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make.probe import probed
from make.small_models import SmallLlama, write_small_model

from harness import files as transfer
from harness.errors import FetchFailed
from harness.files import FetchProgress
from harness.models.find import find, local_model
from harness.models.gguf.model_file import model_file_of
from harness.models.gguf.shards import check_parts
from harness.models.gguf.tensor_types import TYPES_BY_NAME
from harness.models.model import Model
from harness.models.twin import twin
from harness.models.twin.stocks import Stocks
from harness.models.twin.twin import (
    _PIECE_BYTES,
    _Pieces,
    twin_file,
    twin_of,
)

# All that weights come in, but what the quantizer does not make or the engine does not compute.
_LEFT_OUT = ("Q8_1", "Q8_K", "F64", "NVFP4", "Q1_0", "Q2_0", "I8", "I16", "I32", "I64")
_TYPES = [name for name in TYPES_BY_NAME if name not in _LEFT_OUT]


def _ignore(_: FetchProgress) -> None:
    pass


@pytest.mark.slow
def test_the_engine_decodes_finite_logits_from_every_type(tmp_path: Path) -> None:
    paths = [write_small_model(tmp_path / f"{name}.gguf", SmallLlama(name)) for name in _TYPES]
    finite = {name: each["finite"] for name, each in zip(_TYPES, probed(paths), strict=True)}
    assert finite == dict.fromkeys(_TYPES, True)


@pytest.fixture
def found(tiny_model: Path) -> Model:
    return find(str(tiny_model))


def test_a_twin_has_the_header_and_the_size_of_the_model(
    found: Model, tiny_model: Path, tmp_path: Path
) -> None:
    with twin_of(found, tmp_path, _ignore) as path:
        real, made = tiny_model.read_bytes(), path.read_bytes()
        data_start = found.headers[0].data_start
        assert len(made) == len(real)
        assert made[:data_start] == real[:data_start]
        assert made[data_start:] != real[data_start:]
        assert probed([path])[0]["finite"]


def test_a_twin_is_called_one_and_has_no_digest(found: Model) -> None:
    file = twin_file(found)
    assert file.is_twin
    assert file.sha256 is None
    unchanged = {"is_twin", "sha256"}
    assert file.model_dump(exclude=unchanged) == found.file.model_dump(exclude=unchanged)


def test_a_twin_is_gone_afterwards(found: Model, tmp_path: Path) -> None:
    with twin_of(found, tmp_path / "twins", _ignore) as path:
        assert path.is_file()
    assert list((tmp_path / "twins").iterdir()) == []


def test_a_twin_is_gone_after_an_interruption(found: Model, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), twin_of(found, tmp_path, _ignore):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_writing_is_interrupted(found: Model, tmp_path: Path) -> None:
    def interrupt(progress: FetchProgress) -> None:
        if progress.n_bytes_done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), twin_of(found, tmp_path, interrupt, keeps=True):
        pytest.fail("the twin was never whole")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_twin_that_a_killed_process_left_is_removed_and_not_taken_for_a_kept_one(
    found: Model, tmp_path: Path
) -> None:
    left = tmp_path / f"twin-another.{'0' * 8}.harness-tmp"
    left.mkdir()
    (left / "owner.lock").touch()
    (left / "another.gguf").write_bytes(b"12 GB")
    with twin_of(found, tmp_path, _ignore) as path:
        assert [*tmp_path.iterdir()] == [path.parent]
    assert [*tmp_path.iterdir()] == []


def test_a_kept_twin_serves_again_and_stays(found: Model, tmp_path: Path) -> None:
    with twin_of(found, tmp_path, _ignore, keeps=True) as path:
        written = path.stat().st_mtime_ns
    with twin_of(found, tmp_path, _ignore) as again:
        assert again == path
        assert again.stat().st_mtime_ns == written
    assert path.is_file()


def test_a_kept_twin_of_another_header_is_written_anew(found: Model, tmp_path: Path) -> None:
    with twin_of(found, tmp_path, _ignore, keeps=True) as path:
        data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with twin_of(found, tmp_path, _ignore) as path:
        assert path.read_bytes()[:200] == found.parts[0].data[:200]


def test_progress_ends_at_the_size_of_the_file(found: Model, tmp_path: Path) -> None:
    told: list[FetchProgress] = []
    with twin_of(found, tmp_path, told.append) as path:
        n_bytes = path.stat().st_size
    assert (told[-1].n_bytes_done, told[-1].n_bytes_total) == (n_bytes, n_bytes)
    assert {progress.phase for progress in told} == {"generating"}


def test_space_is_checked_before_writing(
    found: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: Usage(free=10))  # type: ignore[attr-defined]
    with (
        pytest.raises(FetchFailed, match="set --dir to a folder"),
        twin_of(found, tmp_path, _ignore),
    ):
        pytest.fail("there was no room")
    assert list(tmp_path.iterdir()) == []


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EFBIG, "holds no file of 1.02 MB"), (errno.ENOSPC, "make room")],
)
def test_a_disk_that_refuses_is_explained(
    number: int,
    words: str,
    found: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(twin, "write_twin", refuse)
    with pytest.raises(FetchFailed, match=words), twin_of(found, tmp_path, _ignore):
        pytest.fail("the disk refused")


def test_a_split_model_has_a_split_twin(tmp_path: Path) -> None:
    names = [f"model-0000{index}-of-00002.gguf" for index in (1, 2)]
    parts = [SmallLlama("Q4_K").part(name) for name in names]
    file = model_file_of(
        [parts[0].header], name="x", key="o/r:Q4_K_M", file_name=parts[0].file_name,
        n_bytes=2 * parts[0].n_bytes, quantization=None, sha256=None,
    )  # fmt: skip
    found = Model(file, tuple(parts), "hub", "a hub")
    with twin_of(found, tmp_path / "twins", _ignore) as path:
        assert path.name == "model-00001-of-00002.gguf"
        assert path.parent.name.startswith("twin-o-r-Q4_K_M.")
        sizes = [each.stat().st_size for each in sorted(path.parent.glob("*.gguf"))]
        assert sizes == [part.n_bytes for part in parts]


@pytest.fixture
def small_files() -> Iterator[int]:
    """So many bytes are the most that a file can have: a file system's limit, by the kernel."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    most_bytes = 1_200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    yield most_bytes
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def whole(n_vocab: int = 512) -> Model:
    part = SmallLlama("Q8_0", n_vocab=n_vocab).part("model.gguf")
    file = model_file_of(
        [part.header], name="x", key="o/r:Q8_0", file_name=part.file_name, n_bytes=part.n_bytes,
        quantization=None, sha256=None,
    )  # fmt: skip
    return Model(file, (part,), "hub", "a hub")


def test_a_twin_is_split_where_the_file_system_holds_none_so_large(
    tmp_path: Path, small_files: int
) -> None:
    found = whole()
    assert found.parts[0].n_bytes > small_files
    with twin_of(found, tmp_path / "twins", _ignore, keeps=True) as path:
        files = sorted(path.parent.iterdir())
        assert path == files[0]
        assert len(files) > 1
        assert max(each.stat().st_size for each in files) <= small_files
        made = local_model(path, "x")
        check_parts(made.headers, str(path))
        tensors = [tensor for header in made.headers for tensor in header.tensors]
        assert tensors == list(found.headers[0].tensors)
        assert found.headers[0].metadata.items() <= made.headers[0].metadata.items()
        assert probed([path])[0]["finite"]
        written_ns = [each.stat().st_mtime_ns for each in files]
    with twin_of(found, tmp_path / "twins", _ignore) as path:
        assert [each.stat().st_mtime_ns for each in files] == written_ns
    assert path.is_file()


def test_a_split_twin_is_gone_afterwards(tmp_path: Path, small_files: int) -> None:
    with twin_of(whole(), tmp_path / "twins", _ignore) as path:
        assert path.name.startswith("model-00001-of-")
    assert list((tmp_path / "twins").iterdir()) == []


def test_a_tensor_larger_than_any_file_is_refused(tmp_path: Path, small_files: int) -> None:
    found = whole(n_vocab=20_000)
    with (
        pytest.raises(FetchFailed, match=r"holds no file of .* with --dir"),
        twin_of(found, tmp_path / "twins", _ignore),
    ):
        pytest.fail("no file can hold it")
    assert list((tmp_path / "twins").iterdir()) == []


def test_weights_do_not_repeat_from_row_to_row() -> None:
    part = SmallLlama("Q8_0").part("x.gguf")
    embedding = next(t for t in part.header.tensors if t.name == "token_embd.weight")
    data = b"".join(Stocks(np.random.default_rng(1)).pieces(embedding))
    row_bytes = embedding.n_bytes // embedding.shape[1]
    rows = {data[i : i + row_bytes] for i in range(0, len(data), row_bytes)}
    assert len(rows) == embedding.shape[1]


def test_a_twin_is_written_in_pieces_of_one_size_as_copies_are(tmp_path: Path) -> None:
    written: list[tuple[int, int]] = []

    class Watched(io.FileIO):
        def write(self, data: Any) -> int:
            written.append((self.tell(), len(data)))
            return super().write(data)

    sizes = (5, _PIECE_BYTES, 3, 2 * _PIECE_BYTES + 7)
    data = [bytes([index]) * size for index, size in enumerate(sizes)]
    told: list[int] = []
    with Watched(tmp_path / "file", "w") as file:
        pieces = _Pieces(file, told.append)
        for each in data:
            pieces.add(memoryview(each))
        pieces.flush()
    assert (tmp_path / "file").read_bytes() == b"".join(data)
    assert [at % _PIECE_BYTES for at, _ in written] == [0] * 4
    assert [size for _, size in written] == [*[_PIECE_BYTES] * 3, 15] == told

"""Twins as the real engine takes them, in a process of its own."""

from __future__ import annotations

import errno
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make.shapes import DEEP_MIXTURES, spec_of

from harness import files as transfer
from harness.errors import FetchFailed
from harness.files import FetchProgress
from harness.models.gguf.header import read_header
from harness.models.gguf.model_file import model_file_of
from harness.models.gguf.part import HeaderPart
from harness.models.gguf.shards import check_parts
from harness.models.gguf.tensor_types import FILE_TYPES
from harness.models.headers import find_headers, local_headers
from harness.models.model import FoundHeaders
from harness.models.shape.architectures.known import LAYOUTS
from harness.models.shape.header import write_shape_header
from harness.models.twin import twin
from harness.models.twin.twin import (
    _PIECE_BYTES,
    Stocks,
    _Pieces,
    stocks_for,
    twin_file,
    twin_of,
    write_twin,
)

_PROBE = Path(__file__).parents[2] / "make" / "twin_probe.py"
_BLOCKED = [name for name in FILE_TYPES.values() if name != "NVFP4"]


def _ignore(_: FetchProgress) -> None:
    pass


def part_of(path: Path) -> HeaderPart:
    with path.open("rb") as file:
        header = read_header(file, 1 << 50, str(path))
        file.seek(0)
        return HeaderPart(path.name, header.data_end, header, file.read(header.data_start))


def small_twin(
    folder: Path, architecture: str, quantization: str = "Q4_K_M", **changes: Any
) -> Path:
    spec = spec_of(architecture, quantization, **changes)
    shape, path = folder / "shape.gguf", folder / f"{architecture}-{quantization}.gguf"
    write_shape_header(spec, spec.variants[0], shape)
    part = part_of(shape)
    stocks = stocks_for([part], np.random.default_rng(1))
    write_twin(path, part, stocks, lambda _: None)
    return path


def probed(paths: list[Path]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(_PROBE), *map(str, paths)], capture_output=True, text=True, check=False
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(paths), (paths[len(answers)], done.stderr[-500:])
    return answers


def test_the_engine_decodes_finite_logits_from_every_architecture(tmp_path: Path) -> None:
    answers = probed([small_twin(tmp_path, architecture) for architecture in LAYOUTS])
    for architecture, answer in zip(LAYOUTS, answers, strict=True):
        assert answer["loads"], architecture
        assert answer["decodes"], architecture
        assert answer["finite"], architecture
        # Neither silence nor noise that drowns everything.
        assert 0.01 < answer["deviation"] < 100, architecture


def test_tokens_spread_over_the_experts_in_deep_layers_too(tmp_path: Path) -> None:
    paths = [small_twin(tmp_path, each, **more) for each, more in DEEP_MIXTURES.items()]
    for architecture, answer in zip(DEEP_MIXTURES, probed(paths), strict=True):
        experts = answer["experts"]
        by_layer = [experts[name] for name in sorted(experts, key=lambda name: int(name[13:]))]
        # 32 tokens choose 4 of 16 each: by chance all are chosen, with ties only the first four.
        # Of the last layer only the last token's part is computed.
        assert len(by_layer) >= 11, architecture
        assert min(by_layer[:-1]) >= 14, architecture


@pytest.mark.slow
def test_no_expert_of_a_wide_twin_is_busier_than_chance_has_it(tmp_path: Path) -> None:
    """What all tokens have in common grows with depth and width; no router may go by it."""
    wide = {"n_layer": 16, "n_embd": 1024, "n_ff_exp": 1024, "n_head": 32, "n_head_kv": 8}
    (answer,) = probed([small_twin(tmp_path, "gpt-oss", "MXFP4", **wide)])
    assert len(answer["busiest"]) == 16
    # Of 136 choices among 16 an expert gets 8.5 and 16 at the very most.
    assert max(answer["busiest"].values()) < 0.15


@pytest.mark.slow
def test_the_engine_decodes_finite_logits_from_every_type(tmp_path: Path) -> None:
    known = [name for name in _BLOCKED if name not in ("Q1_0", "Q2_0")]
    answers = probed([small_twin(tmp_path, "llama", name) for name in known])
    assert {name: answer["finite"] for name, answer in zip(known, answers, strict=True)} == (
        dict.fromkeys(known, True)
    )


@pytest.fixture
def found(tiny_model: Path) -> FoundHeaders:
    return find_headers(str(tiny_model))


def test_a_twin_has_the_header_and_the_size_of_the_model(
    found: FoundHeaders, tiny_model: Path, tmp_path: Path
) -> None:
    with twin_of(found, tmp_path, _ignore) as path:
        real, made = tiny_model.read_bytes(), path.read_bytes()
        data_start = found.headers[0].data_start
        assert len(made) == len(real)
        assert made[:data_start] == real[:data_start]
        assert made[data_start:] != real[data_start:]
        assert probed([path])[0]["finite"]


def test_a_twin_is_called_one_and_has_no_digest(found: FoundHeaders) -> None:
    file = twin_file(found)
    assert file.is_twin
    assert file.sha256 is None
    unchanged = {"is_twin", "sha256"}
    assert file.model_dump(exclude=unchanged) == found.file.model_dump(exclude=unchanged)


def test_a_twin_is_gone_afterwards(found: FoundHeaders, tmp_path: Path) -> None:
    with twin_of(found, tmp_path / "twins", _ignore) as path:
        assert path.is_file()
    assert list((tmp_path / "twins").iterdir()) == []


def test_a_twin_is_gone_after_an_interruption(found: FoundHeaders, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), twin_of(found, tmp_path, _ignore):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_when_writing_is_interrupted(found: FoundHeaders, tmp_path: Path) -> None:
    def interrupt(progress: FetchProgress) -> None:
        if progress.n_bytes_done > 100_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), twin_of(found, tmp_path, interrupt, keeps=True):
        pytest.fail("the twin was never whole")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_kept_twin_serves_again_and_stays(found: FoundHeaders, tmp_path: Path) -> None:
    with twin_of(found, tmp_path, _ignore, keeps=True) as path:
        written = path.stat().st_mtime_ns
    with twin_of(found, tmp_path, _ignore) as again:
        assert again == path
        assert again.stat().st_mtime_ns == written
    assert path.is_file()


def test_a_kept_twin_of_another_header_is_written_anew(found: FoundHeaders, tmp_path: Path) -> None:
    with twin_of(found, tmp_path, _ignore, keeps=True) as path:
        data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(data)
    with twin_of(found, tmp_path, _ignore) as path:
        assert path.read_bytes()[:200] == found.parts[0].data[:200]


def test_progress_ends_at_the_size_of_the_file(found: FoundHeaders, tmp_path: Path) -> None:
    told: list[FetchProgress] = []
    with twin_of(found, tmp_path, told.append) as path:
        n_bytes = path.stat().st_size
    assert (told[-1].n_bytes_done, told[-1].n_bytes_total) == (n_bytes, n_bytes)
    assert {progress.phase for progress in told} == {"generating"}


def test_space_is_checked_before_writing(
    found: FoundHeaders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    found: FoundHeaders,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(twin, "write_twin", refuse)
    with pytest.raises(FetchFailed, match=words), twin_of(found, tmp_path, _ignore):
        pytest.fail("the disk refused")


def test_a_split_model_has_a_split_twin(tmp_path: Path) -> None:
    parts = []
    for index in (1, 2):
        spec = spec_of("llama")
        path = tmp_path / f"model-0000{index}-of-00002.gguf"
        write_shape_header(spec, spec.variants[0], path)
        parts.append(part_of(path))
    file = model_file_of(
        [parts[0].header], name="x", key="o/r:Q4_K_M", file_name=parts[0].file_name,
        n_bytes=2 * parts[0].n_bytes, quantization=None, sha256=None,
    )  # fmt: skip
    found = FoundHeaders(file, tuple(parts), "hub", "a hub")
    with twin_of(found, tmp_path / "twins", _ignore) as path:
        assert path.name == "model-00001-of-00002.gguf"
        assert path.parent.name == "twin-o-r-Q4_K_M"
        sizes = [each.stat().st_size for each in sorted(path.parent.iterdir())]
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


def whole(tmp_path: Path, **changes: Any) -> FoundHeaders:
    spec = spec_of("llama", "Q8_0", **changes)
    path = tmp_path / "model.gguf"
    write_shape_header(spec, spec.variants[0], path)
    part = part_of(path)
    file = model_file_of(
        [part.header], name="x", key="o/r:Q8_0", file_name=part.file_name, n_bytes=part.n_bytes,
        quantization=None, sha256=None,
    )  # fmt: skip
    return FoundHeaders(file, (part,), "hub", "a hub")


def test_a_twin_is_split_where_the_file_system_holds_none_so_large(
    tmp_path: Path, small_files: int
) -> None:
    found = whole(tmp_path)
    assert found.parts[0].n_bytes > small_files
    with twin_of(found, tmp_path / "twins", _ignore, keeps=True) as path:
        files = sorted(path.parent.iterdir())
        assert path == files[0]
        assert len(files) > 1
        assert max(each.stat().st_size for each in files) <= small_files
        made = local_headers(path, "x")
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
    with twin_of(whole(tmp_path), tmp_path / "twins", _ignore) as path:
        assert path.name.startswith("model-00001-of-")
    assert list((tmp_path / "twins").iterdir()) == []


def test_a_tensor_larger_than_any_file_is_refused(tmp_path: Path, small_files: int) -> None:
    found = whole(tmp_path, n_vocab=20_000)
    with (
        pytest.raises(FetchFailed, match=r"holds no file of .* with --dir"),
        twin_of(found, tmp_path / "twins", _ignore),
    ):
        pytest.fail("no file can hold it")
    assert list((tmp_path / "twins").iterdir()) == []


def test_weights_do_not_repeat_from_row_to_row(tmp_path: Path) -> None:
    path = small_twin(tmp_path, "llama", "Q8_0")
    part = part_of(path)
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

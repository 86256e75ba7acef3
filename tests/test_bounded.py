"""Files that others may have written, wherever the harness reads them."""

from __future__ import annotations

import os
import re
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.quality import make_record
from make.records import make_end, make_experiment, make_machine, make_run

import harness
from harness.bounded import MOST_LINE_BYTES, lines_of, open_regular, parsed_json, read_bounded
from harness.commands.gate.baselines import list_baselines
from harness.errors import HarnessError
from harness.measure.speed_here import calibration_path, load_calibration
from harness.models.digest import recalled, sha256_of
from harness.models.gguf.model_file import describe
from harness.models.gguf.part import read_part
from harness.models.hub.cache import CachedRepository
from harness.models.quantization_sets import quantization_set_files
from harness.records.listing import list_experiments
from harness.records.quality import list_qualities, save_quality
from harness.records.store import load, write_whole

_MOST_MEMORY = 200_000_000


def _pipe(path: Path) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows has no pipes in folders")
    os.mkfifo(path)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(20_000_000_000)


def _long_line(path: Path) -> None:
    path.write_bytes(b'{"kind":"experiment","id":"' + b"x" * (MOST_LINE_BYTES + 1))


def _empty_lists(path: Path) -> None:
    path.write_bytes(b"[" + b"[]," * 10_000_000 + b"[]]")


def _nested(path: Path) -> None:
    path.write_bytes(b"[" * 200_000)


def _long_number(path: Path) -> None:
    path.write_bytes(b'{"kind":' + b"9" * 5_000 + b"}")


HARMS: Mapping[str, Callable[[Path], None]] = {
    "a pipe": _pipe,
    "a folder": Path.mkdir,
    "a sparse file": _sparse,
    "a long line": _long_line,
    "empty lists": _empty_lists,
    "deep nesting": _nested,
    "a long number": _long_number,
}


def _experiment(folder: Path, harm: Callable[[Path], None]) -> None:
    harm(folder / "harmed.jsonl")
    write_whole(folder, make_experiment(), [make_run()], make_end(1))

    broken, good = list_experiments(folder)

    assert "harmed.jsonl" in str(broken.problem)
    assert good.problem is None


def _opened(folder: Path, harm: Callable[[Path], None]) -> None:
    harm(folder / "harmed.jsonl")
    with pytest.raises(HarnessError, match=r"harmed\.jsonl"):
        load(folder / "harmed.jsonl")


def _baseline(folder: Path, harm: Callable[[Path], None]) -> None:
    place = folder / "baselines"
    write_whole(place, make_experiment(), [make_run()], make_end(1))
    harm(place / "main.jsonl")

    broken, good = list_baselines(folder)

    assert "main.jsonl" in str(broken.problem)
    assert good.problem is None


def _quality(folder: Path, harm: Callable[[Path], None]) -> None:
    save_quality(folder, make_record(()))
    harm(folder / "quality" / "harmed.json")

    broken, good = list_qualities(folder)

    assert "harmed.json" in str(broken.problem)
    assert good.record is not None


def _calibration(folder: Path, harm: Callable[[Path], None]) -> None:
    harm(calibration_path(make_machine(), is_gpu=False, folder=folder))
    assert load_calibration(make_machine(), is_gpu=False, folder=folder) is None


def _digest(folder: Path, harm: Callable[[Path], None]) -> None:
    weights = folder / "weights.gguf"
    weights.write_bytes(b"GGUF")
    known = sha256_of(weights)
    (memo,) = (folder / "cache" / "digests").iterdir()
    memo.unlink()
    harm(memo)

    assert recalled(weights) is None
    assert sha256_of(weights) == known


def _reference(folder: Path, harm: Callable[[Path], None]) -> None:
    repository = CachedRepository("owner/repo", folder)
    (repository.folder / "refs").mkdir(parents=True)
    harm(repository.folder / "refs" / "main")
    assert repository.commit_of("main") is None


def _weights(folder: Path, harm: Callable[[Path], None]) -> None:
    harm(folder / "harmed.gguf")
    with pytest.raises(HarnessError, match=r"harmed\.gguf"):
        read_part(folder / "harmed.gguf")
    with pytest.raises(HarnessError, match=r"harmed\.gguf"):
        describe(folder / "harmed.gguf", "harmed")
    assert quantization_set_files(folder) == []


PLACES = (
    _experiment,
    _opened,
    _baseline,
    _quality,
    _calibration,
    _digest,
    _reference,
    _weights,
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__.strip("_"))
@pytest.mark.parametrize("harm", HARMS)
def test_one_bad_file_is_refused_by_name_and_hinders_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: Callable[[Path, Callable[[Path], None]], None],
    harm: str,
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    tracemalloc.start()
    try:
        place(tmp_path, HARMS[harm])
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < _MOST_MEMORY


# Files that are this process's own, the system's, or of a size that was asked for before.
_OTHERWISE = {
    "bounded.py",
    "commandline/surface.py",  # its own data
    "commands/exchange/import_command.py",  # may be a pipe; read up to a limit
    "commands/gate/ci.py",
    "commands/quantize/files.py",
    "commands/share/words.py",  # its own data
    "machine/reading.py",  # /proc and /sys
    "measure/calibrate.py",
    "measure/jobs/score_text.py",
    "measure/jobs/score_worker.py",
    "measure/jobs/turns_text.py",  # its own data
    "measure/lock.py",
    "models/catalog/file.py",
    "models/gguf/layouts.py",
    "models/hub/following_hash.py",
    "models/wheel.py",
    "process_end.py",
    "report/style.py",  # its own data
    "analysis/speed/class_rates.py",
}
_READS = re.compile(r"\.read_text\(|\.read_bytes\(|\.open\((\"rb\"|encoding=|\))")


def test_no_other_module_reads_files_without_bounds() -> None:
    root = Path(harness.__file__).parent
    found = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if _READS.search(path.read_text("utf-8"))
    }
    assert found <= _OTHERWISE


@pytest.mark.parametrize(
    "text",
    [
        b"1" + b"0" * 19,
        b"-9223372036854775808",
        b'{"a": [1e999]}',
        b"-1" + b"0" * 400 + b".0",
        b"9" * 5_000,
        b"NaN",
        b"[" * 100_000,
        b"[" + b"{}," * 2_000_000 + b"{}]",
        b'"\xff"',
    ],
    ids=lambda text: text[:12].decode("latin-1"),
)
def test_what_is_no_number_or_too_much_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parsed_json(text)


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.integers(-(2**62), 2**62)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=30)
@given(_JSON)
def test_all_other_values_are_as_they_were_written(value: object) -> None:
    import json

    assert parsed_json(json.dumps(value).encode()) == value


def test_a_link_to_a_file_is_followed_and_one_to_a_device_is_not(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"1\n2\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert list(lines_of(tmp_path / "link")) == [b"1", b"2"]
    assert read_bounded(tmp_path / "link", 4) == b"1\n2\n"
    with pytest.raises(OSError, match="larger than"):
        read_bounded(tmp_path / "link", 3)
    (tmp_path / "device").symlink_to("/dev/zero")
    with pytest.raises(OSError, match="not an ordinary file"):
        open_regular(tmp_path / "device").close()

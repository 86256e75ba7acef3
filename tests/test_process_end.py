from __future__ import annotations

from pathlib import Path

import pytest

from harness.process_end import ending, log_tail, without_folders


@pytest.mark.parametrize(
    ("exit_code", "kind", "words"),
    [
        (-6, "aborted", "aborted"),
        (-11, "crashed", "crashed with SIGSEGV"),
        (-9, "killed", "killed by the system"),
        (-2, "killed", "ended from outside by SIGINT"),
        (1, "exited", "ended with exit code 1"),
        (0xC000001D, "crashed", "crashed with: illegal instruction"),
    ],
)
def test_an_exit_code_is_told_in_words(exit_code: int, kind: str, words: str) -> None:
    assert (ending(exit_code).kind, ending(exit_code).words) == (kind, words)


def test_the_log_tail_is_short_and_keeps_the_home_folder_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    log = tmp_path / "run.log"
    log.write_bytes(
        b"\n".join(b"line %d \xff" % i for i in range(5000)) + b"\n/home/somebody/x\n\n"
    )
    tail = log_tail(log)
    assert tail[-1] == "x"
    assert tail[-2].startswith("line 4999")
    assert len(tail) <= 20
    assert log_tail(tmp_path / "none.log") == ()


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("/tmp/pip/llama.cpp/ggml.c:123: GGML_ASSERT(a / b)", "ggml.c:123: GGML_ASSERT(a / b)"),
        ('  File "/home/jo doe/site-packages/x.py", line 3', '  File "x.py", line 3'),
        (r'File "C:\Users\Jo Doe\x.py", line 1', 'File "x.py", line 1'),
        (r"loading C:\Users\jo\m.gguf failed", "loading m.gguf failed"),
        ("~/models/x.gguf: bad", "x.gguf: bad"),
        ("/usr/lib/libc.so.6(+0x2d) [0x7f]", "libc.so.6(+0x2d) [0x7f]"),
        ("n/a, 3/4 of https://example.org/x/y", "n/a, 3/4 of https://example.org/x/y"),
    ],
)
def test_of_a_path_only_its_last_part_is_kept(line: str, kept: str) -> None:
    assert without_folders(line) == kept

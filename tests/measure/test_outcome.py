from __future__ import annotations

from pathlib import Path

import pytest

from harness.measure import outcome


@pytest.mark.parametrize(
    ("exit_code", "reason", "words"),
    [
        (-6, "aborted", "the engine aborted during pp512"),
        (-11, "crashed", "SIGSEGV"),
        (-9, "killed", "memory"),
        (-63, "crashed", "signal 63"),
        (-15, "killed", "ended from outside by SIGTERM"),
        (1, "worker-error", "exit code 1"),
        (0, "worker-error", "exit code 0"),
        (3, "aborted", "aborted"),
        (0xC0000005 - (1 << 32), "crashed", "access violation"),
    ],
)
def test_an_exit_code_becomes_a_sentence(exit_code: int, reason: str, words: str) -> None:
    found = outcome.of_exit(exit_code, "during pp512", ())
    assert found.status == "failed"
    assert found.reason == reason
    assert words in (found.message or "")
    assert found.exit_code == exit_code


def test_the_engines_last_words_are_quoted() -> None:
    tail = ("loading", "ggml.c:12: GGML_ASSERT(n > 0) failed", "Fatal Python error: Aborted")
    message = outcome.of_exit(-6, "while loading the model", tail).message
    assert message
    assert "GGML_ASSERT(n > 0) failed" in message
    assert "Fatal Python error" not in message


def test_the_log_tail_is_short_and_keeps_the_home_folder_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    log = tmp_path / "run.log"
    log.write_bytes(
        b"\n".join(b"line %d \xff" % i for i in range(5000)) + b"\n/home/somebody/x\n\n"
    )
    tail = outcome.log_tail(log)
    assert tail[-1] == "x"
    assert tail[-2].startswith("line 4999")
    assert len(tail) <= 20
    assert outcome.log_tail(tmp_path / "none.log") == ()


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
    assert outcome.without_folders(line) == kept

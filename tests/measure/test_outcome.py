from __future__ import annotations

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

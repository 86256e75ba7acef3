from __future__ import annotations

import errno

import pytest

from harness.commandline.refusal import refusal


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
        (BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (MemoryError(), "memory is used up"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), "shorter name"),
        (PermissionError(errno.EACCES, "Permission denied", "a"), "a: Permission denied; check"),
    ],
)
def test_what_the_system_refuses_is_one_line_with_advice(error: BaseException, told: str) -> None:
    line = refusal(error)
    assert line is not None
    assert told in line
    assert "\n" not in line


@pytest.mark.parametrize("error", [RuntimeError("a mistake"), ValueError("x"), KeyError("x")])
def test_a_mistake_of_the_program_is_no_refusal(error: BaseException) -> None:
    assert refusal(error) is None

"""
Everything the harness refuses or fails at, each with the exit code it deserves.

    HarnessError                    exit 1: one clear line, no traceback
    ├── UsageError                  exit 2: the command line asks for something that cannot be
    ├── ModelNotFound               no such model, variant or file
    ├── ModelInvalid                the file is there and is not a usable GGUF
    ├── LayoutUnknown               neither a header nor a layout of the model is at hand
    ├── FetchFailed                 the weights could not be brought here
    ├── MachineBusy                 another measurement holds this machine
    ├── ResultsUnwritable           the record cannot be written (read-only, disk full)
    ├── ResultsInvalid              a record cannot be read
    │   └── SchemaTooNew            only a newer harness can read it
    └── NotComparable               exit 4: two results that must not be set side by side
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process answers with; 1 and 2 mean what Python and click mean by them."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    REGRESSION = 3
    INCONCLUSIVE = 4
    INTERRUPTED = 130


class HarnessError(Exception):
    """
    A failure a person can act on.

    The message says what happened, to which thing, and what to do next, in one line.
    """

    exit_code: ExitCode = ExitCode.ERROR


class UsageError(HarnessError):
    """The options contradict each other or ask for what cannot be."""

    exit_code = ExitCode.USAGE


class ModelNotFound(HarnessError):
    """No such model, variant or file."""


class ModelInvalid(HarnessError):
    """The file exists but is not a GGUF this harness can trust."""


class LayoutUnknown(HarnessError):
    """The model's header cannot be had, and no layout of its file came with the harness."""


class FetchFailed(HarnessError):
    """The weights could not be brought here; what was there before is unharmed."""


class MachineBusy(HarnessError):
    """Another measurement is running on this machine."""


class ResultsUnwritable(HarnessError):
    """The experiment file cannot be created or appended to."""


class ResultsInvalid(HarnessError):
    """An experiment file cannot be read."""


class SchemaTooNew(ResultsInvalid):
    """A newer harness wrote it."""


class NotComparable(HarnessError):
    """Two results differ in something that makes a comparison of them mean nothing."""

    exit_code = ExitCode.INCONCLUSIVE

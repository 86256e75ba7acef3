"""
Bytes from other machines become data, and one function of the harness: never code of theirs.

Dask sends tasks as pickles, and a pickle may name any function of any module that is here and have
it called. Every place where Dask makes objects of bytes asks `loads` of one module
(distributed.protocol.pickle, and names imported from it). While the guard stands, that knows the
names below and no other: those that a task consists of. What is to be computed stands in the task
as `json.loads` of a text, which any scheduler knows; a worker of a fleet has its own function in
that place (docs/decisions/0031-a-fleets-cells-go-over-dask.md).
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, NoReturn

from harness.errors import HarnessError

Answer = Callable[[str], str]
"""What a worker does with the text of a job: the text of its result."""

MOST_BYTES = 64 << 20
"""Of one message; the Runs of a cell with all their steps are some hundred KB."""


class NotPlain(HarnessError, pickle.UnpicklingError):
    """A pickle that names what no job of a fleet consists of."""


def guard(answer: Answer | None = None) -> None:
    """
    From here on, to the end of this process, Dask reads nothing but jobs and texts.

    Args:
        answer: What a worker does with a job; a scheduler and a submitter carry out none.
    """
    import distributed.client
    import distributed.core
    import distributed.protocol.pickle
    import distributed.scheduler

    known = _known(answer or json.loads)

    def loads(data: Any, *, buffers: Iterable[Any] = ()) -> Any:
        try:
            return plain(data, known, buffers)
        except NotPlain as error:
            # A worker that cannot read a task ends; one that cannot do it says so.
            return _in_place_of(data, known, error) if answer else _raise(error)

    # Both modules have names of their own for it, and for the standard library's.
    of_standard = SimpleNamespace(**{**vars(pickle), "loads": loads, "load": _refused})
    for module in (distributed.client, distributed.scheduler):
        module.loads = loads
        module.pickle = of_standard
    distributed.protocol.pickle.loads = loads
    # A client would show whatever a worker says, and unpickle it with what the module began with.
    distributed.client.Client._default_event_handlers = {}


def plain(data: Any, known: Mapping[tuple[str, str], Any], buffers: Iterable[Any] = ()) -> Any:
    """
    What is in a pickle that names nothing but what is `known`, by module and name.

    Raises:
        NotPlain: It names something else, or is larger than any message of a fleet.
        Exception: Whatever the standard library raises for what is no pickle.
    """
    size = memoryview(data).nbytes
    if size > MOST_BYTES:
        raise NotPlain(f"a message of {size} bytes is larger than any of a fleet")
    return _Plain(io.BytesIO(data), known, buffers).load()


class _Plain(pickle.Unpickler):
    def __init__(
        self, file: io.BytesIO, known: Mapping[tuple[str, str], Any], buffers: Iterable[Any]
    ) -> None:
        super().__init__(file, buffers=buffers)
        self._known = known

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may name."""
        found = self._known.get((module, name))
        if found is None:
            raise NotPlain(f"a message names {module}.{name}, which is no part of a job")
        return found


def _in_place_of(data: Any, known: Mapping[tuple[str, str], Any], error: NotPlain) -> Any:
    """
    A task that fails with `error`, in place of the one in a pickle.

    Raises:
        NotPlain: It is no task.
    """
    from dask._task_spec import Task

    try:
        found = _Inert(io.BytesIO(data), known, ()).load()
    except Exception:  # a pickle of anybody's making
        raise error from None
    return Task(found.key, _raise, error) if isinstance(found, Task) else _raise(error)


class _Inert(_Plain):
    """Reads a pickle for its shape: what it may not name becomes something that does nothing."""

    def find_class(self, module: str, name: str) -> Any:
        """What a pickle may name, or nothing's class."""
        return self._known.get((module, name), _Nothing)


class _Nothing:
    """What comes of calling it is itself, and nothing can be set on it."""

    def __new__(cls, *_: object, **__: object) -> Any:
        return cls

    @staticmethod
    def __setstate__(_: object) -> None: ...


def _raise(error: NotPlain) -> NoReturn:
    raise error


def _known(answer: Callable[[str], Any]) -> Mapping[tuple[str, str], Any]:
    """What a task consists of, as Dask writes it."""
    from dask._expr import Expr, LLGExpr
    from dask._task_spec import Task

    return {
        ("dask._expr", "Expr._reconstruct"): Expr._reconstruct,
        ("dask._expr", "LLGExpr"): LLGExpr,
        ("dask._task_spec", "Task"): Task,
        ("builtins", "dict"): dict,
        # A task keeps its arguments in a dict type of its own choice, and a result its type.
        ("builtins", "str"): str,
        ("builtins", "bytes"): bytes,
        ("json", "loads"): answer,
    }


def _refused(*_: object, **__: object) -> Any:
    raise NotPlain("a message is to be read from a file, which is no part of a job")

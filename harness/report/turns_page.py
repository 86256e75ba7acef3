"""Conversations: turn by turn what each waited for, and in sentences what a kept cache is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness import units
from harness.analysis.conversations import Conversation, Turn, conversations
from harness.analysis.metrics import METRICS
from harness.analysis.sharing import Users, sharings
from harness.report import legend
from harness.report.loads_page import Named
from harness.report.marks import figure_text
from harness.report.page import Cell, Column, Page, Quantity, Table, notes
from harness.report.picture import Axis, Mark, Picture
from harness.report.scope import Scope, Shown
from harness.schema.figure import Figure
from harness.schema.request import History

_NS_PER_S = 1e9
_AGAIN: dict[History, str] = {
    "edited": "first message changed",
    "dropped": "nothing in the cache",
}
_COLUMNS = (
    Column("turn"),
    Column("prompt", align="right"),
    Column("cached", align="right"),
    Column("TTFT", align="right", interval="95 % interval", is_interval_optional=True),
    Column("tok/s", align="right"),
)
_EVICTED = "evicted"
_SHARING = (
    Column("users", align="right"),
    Column("tok/s", align="right", interval="95 % interval", is_interval_optional=True),
    Column("per user", align="right"),
    Column("TTFT kept", align="right"),
    Column("context", align="right"),
    Column("apart", align="right"),
)
_SHARING_LEGEND = (
    "Tok/s: tokens of all answers over the time of all turns, prompts included; per user: from an "
    "answer's first token to its last, with the others' prompts that came between.",
    "Context: the engine's buffers for it, weights left out; apart: those of a context for each.",
)


def turns_tables(groups: Named) -> list[Table]:
    """For people a table for each conversation, turn by turn, and one for several at once."""
    found = []
    for name, group in groups:
        about = name if len(groups) > 1 else ""
        found += [_table(about, it) for it in conversations(group)]
        found += [_sharing(about, what, each) for what, each in sharings(group)]
    return found


def turns_sentences(groups: Named) -> list[str]:
    """What a kept cache saves, what is left of it after a change, and what saving it takes."""
    found = []
    for name, group in groups:
        for it in conversations(group):
            about = it.case.workload
            if len(groups) > 1:
                about = f"{name} · {about}"
            found += [f"{about}: {sentence}." for sentence in _sentences(it)]
        for _, each in sharings(group):
            told = ((it.conversation.case.workload, _shared(it)) for it in each)
            found += [f"{workload}: {sentence}." for workload, sentence in told if sentence]
    return found


def turns_page(scope: Scope) -> Page:
    """What was measured of conversations, in words, a picture and tables; else nothing."""
    groups = [(shown.name, shown.group) for shown in scope.shown]
    tables = turns_tables(groups)
    if not tables:
        return ()
    marks = tuple(mark for shown in scope.shown for mark in _marks(scope, shown))
    picture = Picture(
        title=scope.title("Time to the first token, turn by turn"),
        name=scope.file_name("turns"),
        drawing="lines",
        marks=marks,
        x=Axis("turn", includes_zero=True),
        y=Axis("s", includes_zero=True),
        series_title="conversation",
    )
    return (*notes(turns_sentences(groups)), picture, *tables)


def _table(name: str, it: Conversation) -> Table:
    mark = legend.DISTURBED_MARK if it.is_disturbed else ""
    rows = tuple(_row(turn, mark) for turn in it.turns)
    title = " · ".join(filter(None, (name, it.case.workload)))
    return Table(_COLUMNS, rows, title, tuple(_legend(it)))


def _row(turn: Turn, mark: str) -> tuple[Cell, ...]:
    again = _AGAIN.get(turn.history)
    cached: Cell = "unknown" if turn.n_cached is None else turn.n_cached
    if turn.is_evicted:
        cached = f"{cached} {_EVICTED}"
    return (
        f"{turn.number}{f', {again}' if again else ''}{mark}",
        turn.n_prompt,
        cached,
        turn.ttft,
        Quantity(turn.tok_per_s.value, "tok/s") if turn.tok_per_s else None,
    )


def _legend(it: Conversation) -> Iterator[str]:
    yield "Prompt: tokens of the whole conversation; cached: those of them that were not computed."
    if any(turn.is_evicted for turn in it.turns):
        yield f"{_EVICTED}: less than half of what the turn before had left was still there."


def _sharing(name: str, what: str, each: Sequence[Users]) -> Table:
    rows = tuple(
        (
            f"{it.n_users}{legend.DISTURBED_MARK if it.conversation.is_disturbed else ''}",
            it.tok_per_s,
            it.per_user,
            it.ttft_kept,
            _bytes(it.context_bytes),
            _bytes(it.apart_bytes),
        )
        for it in each
    )
    title = " · ".join(filter(None, (name, f"{what}, several at once")))
    return Table(_SHARING, rows, title, _SHARING_LEGEND)


def _bytes(n_bytes: float | None) -> Quantity | None:
    return None if n_bytes is None else Quantity(n_bytes, "bytes")


# ------------------------------------------------------------------ sentences


def _shared(it: Users) -> str:
    """What one copy of the system prompt saves of memory; nothing where that is not known."""
    if it.n_users == 1 or it.context_bytes is None or it.apart_bytes is None:
        return ""
    ours, apart = units.memory_size(it.context_bytes), units.memory_size(it.apart_bytes)
    return f"one context for all {it.n_users} takes {ours}, one for each of them {apart}"


def _sentences(it: Conversation) -> Iterator[str]:
    last = it.kept[-1]
    dropped, edited = it.again("dropped"), it.again("edited")
    if dropped:
        yield _saving(last, dropped)
    if edited and edited.n_cached is not None and edited.n_prompt:
        share = units.percent(edited.n_cached / edited.n_prompt)
        yield (
            f"after a change of the first message {share} of the prompt of turn {edited.number} "
            f"is still in the cache, and its first token takes {_seconds(edited.ttft)}"
        )
    figures = it.case.metrics or it.case.disturbed
    if "session_bytes" in figures:
        yield _session(figures)
    if it.full:
        yield f"the context is full: {it.full}"


def _saving(last: Turn, dropped: Turn) -> str:
    whole, ours = dropped.ttft.value, last.ttft.value
    if ours >= whole:
        return (
            f"a kept prefix saves nothing at turn {last.number}: {_seconds(last.ttft)} with it, "
            f"{_seconds(dropped.ttft)} without"
        )
    saved = units.duration(whole - ours)
    return f"a kept prefix saves {saved} of {units.duration(whole)} at turn {last.number}"


def _session(figures: dict[str, Figure]) -> str:
    size = units.memory_size(figures["session_bytes"].value)
    text = (
        f"the session takes {size}, is copied into memory in {_seconds(figures['session_save'])} "
        f"and put back in {_seconds(figures['session_restore'])}"
    )
    if "session_write" in figures and "session_read" in figures:
        written, read = _seconds(figures["session_write"]), _seconds(figures["session_read"])
        text += f"; into a file in {written}, and from it in {read}"
    return text


def _seconds(figure: Figure) -> str:
    return units.duration(figure.value)


# ------------------------------------------------------------------ picture


def _marks(scope: Scope, shown: Shown) -> Iterator[Mark]:
    """A line of the turns as they came; of the last one also what it takes otherwise."""
    for it in conversations(shown.group):
        for turn in it.turns:
            yield _mark(scope, shown, it, turn)


def _mark(scope: Scope, shown: Shown, it: Conversation, turn: Turn) -> Mark:
    how = _AGAIN.get(turn.history, "kept")
    cached = "cached unknown" if turn.n_cached is None else f"{turn.n_cached} cached"
    about = f"{shown.name}: {it.case.workload}, turn {turn.number}, {how}"
    label = f"{about}, {METRICS['ttft'].label} {figure_text(turn.ttft)}, {cached}"
    scaled = turn.ttft.scaled(1 / _NS_PER_S)
    return Mark(
        x=turn.number,
        y=scaled.value,
        label=f"{label}, {'disturbed trials alone' if it.is_disturbed else shown.evidence}",
        series=scope.row(shown, it.case.workload, how),
        low=scaled.low,
        high=scaled.high,
        evidence=shown.evidence,
        is_disturbed=it.is_disturbed,
    )

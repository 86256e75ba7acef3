"""How a worker ended, in words a person understands."""

from __future__ import annotations

from harness.measure.watchdog import Silence
from harness.process_end import ending
from harness.schema.outcome import Outcome, Reason
from harness.units import duration


def of_exit(exit_code: int, where: str, tail: tuple[str, ...]) -> Outcome:
    """
    The outcome of a worker that ended without saying so.

    Args:
        exit_code: As subprocess gives it; negative for a signal.
        where: What it was doing, e.g. "during tg128".
        tail: The end of its log.
    """
    reason, message = _explain(exit_code, where, tail)
    return Outcome(
        status="failed", reason=reason, message=message, exit_code=exit_code, log_tail=tail
    )


def hung(silence: Silence, where: str, tail: tuple[str, ...]) -> Outcome:
    """The outcome of a worker that was ended because it said nothing for too long."""
    if silence.before_ns is None:
        why = "; a slow machine may need a longer --timeout"
    else:
        why = f", which took {duration(silence.before_ns)} at most before"
    message = f"no sign of life for {duration(silence.silence_ns)} {where}{why}"
    return Outcome(status="failed", reason="hung", message=message, log_tail=tail)


def interrupted(where: str) -> Outcome:
    """The outcome of a worker that the user ended."""
    return Outcome(status="failed", reason="interrupted", message=f"interrupted {where}")


def _explain(exit_code: int, where: str, tail: tuple[str, ...]) -> tuple[Reason, str]:
    ended = ending(exit_code)
    match ended.kind:
        case "crashed":
            return "crashed", f"the engine {ended.words} {where}"
        case "aborted":
            return "aborted", f"the engine {ended.words} {where}{_last_words(tail)}"
        case "killed":
            remedy = ": try a smaller model or context, or --load-mode none" if ended.cause else ""
            return "killed", f"{ended.words} {where}{ended.cause}{remedy}"
        case "exited":
            return "worker-error", f"the worker {ended.words} {where}{_last_words(tail)}"


def _last_words(tail: tuple[str, ...]) -> str:
    # ggml names the failed check; Python the exception. Both come last, before any stack dump.
    telling = [
        line.strip()
        for line in tail
        if "GGML_ASSERT" in line or "Error" in line or "terminate called" in line
    ]
    return f": {telling[-1]}" if telling else "; its log has the details"

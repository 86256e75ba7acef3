"""What one request to a served model yielded: facts of its stream, as a record keeps them."""

from __future__ import annotations

from typing import Literal

from pydantic import NonNegativeInt, PositiveInt

from harness.schema.record import Record

RequestReason = Literal[
    "unreachable",
    "refused",
    "redirected",
    "rate-limited",
    "http-error",
    "context-full",
    "error-event",
    "no-event",
    "not-a-stream",
    "cut",
    "silent",
    "late",
    "interrupted",
]
"""
Why a request has no answer, or half of one.

"refused": a key, a name or a length that the server does not take. "context-full": a conversation
that has become longer than the context. "no-event": status 200, and
nothing of an answer. "cut": the connection ended before the stream did. "silent": nothing came for
too long. "late": it was not done when its trial's time was over.
"""


class RequestFailure(Record):
    """What went wrong, for a person; `status` is HTTP's where one came."""

    reason: RequestReason
    message: str
    status: int | None = None


class ServerTimes(Record):
    """
    What the server itself says a request took; None where it does not.

    `prompt_ns` and `decode_ns` are those for `n_prompt` and `n_tokens` that it computed, cached
    ones left out. Of `n_draft` guessed tokens it took `n_draft_accepted`.
    """

    queue_ns: NonNegativeInt | None = None
    load_ns: NonNegativeInt | None = None
    prompt_ns: NonNegativeInt | None = None
    n_prompt: NonNegativeInt | None = None
    decode_ns: NonNegativeInt | None = None
    n_tokens: NonNegativeInt | None = None
    n_draft: NonNegativeInt | None = None
    n_draft_accepted: NonNegativeInt | None = None


class ServiceLevel(Record):
    """What users shall not wait longer for: the first token, and the mean of those that follow."""

    ttft_ns: PositiveInt | None = None
    itl_ns: PositiveInt | None = None

    @property
    def text(self) -> str:
        """As the option takes it: "ttft=2000ms,itl=100ms"."""
        limits = {"ttft": self.ttft_ns, "itl": self.itl_ns}
        return ",".join(f"{name}={ns / 1e6:.15g}ms" for name, ns in limits.items() if ns)


LoadSearch = Literal["users", "rate"]
"""What the largest number is looked for of: users at once, or requests a second."""


History = Literal["kept", "dropped", "edited"]
"""
What a turn finds of its conversation: all of it in the cache, nothing, or as much as stands before
a message that was changed.
"""


class Speculation(Record):
    """
    How an answer came about where tokens are guessed first, step by step: of `drafted` guesses
    `accepted` were right, and each step gives one token more than that. `draft_ns` of the answer's
    time went into guessing.
    """

    drafted: tuple[NonNegativeInt, ...]
    accepted: tuple[NonNegativeInt, ...]
    draft_ns: NonNegativeInt

    @property
    def n_drafted(self) -> int:
        """In all of its steps."""
        return sum(self.drafted)

    @property
    def n_accepted(self) -> int:
        """The same of those that were right."""
        return sum(self.accepted)


class SessionState(Record):
    """
    The cache of a conversation of `n_tokens`, as it was saved: `n_bytes`, taken out of the engine
    in `save_ns` and put back in `restore_ns`; written to a file and read from it in `write_ns` and
    `read_ns`, None where there was no room.
    """

    n_tokens: PositiveInt
    n_bytes: NonNegativeInt
    save_ns: PositiveInt
    restore_ns: PositiveInt
    write_ns: PositiveInt | None = None
    read_ns: PositiveInt | None = None


class Request(Record):
    """
    One request, whose times count from `sent_ns`, when its first byte was sent; of a model in this
    process one answer, from its text on.

    `sent_ns` and `due_ns` count from the start of the trial; `due_ns` is when the schedule of an
    open loop wanted it. Connecting (`connect_ns`) comes before. `ttft_ns` is the first event with
    text or reasoning text, `answer_ns` the first with text where reasoning came before it. `gap_ns`
    are between later such events, of which a server may send fewer than tokens; `total_ns` goes on
    to the end of the stream. Token counts are the server's; None where it does not tell, and
    `n_cached` 0 where it says that none were. `model` is which one answered, by the server's word,
    where that is not the name that was asked for. Of a conversation it is answer number `turn`,
    from 0, to user number `user`, who found `history`. `token_ids` are those of the answer to a
    task, by the engine here; a gap of such an answer is a step, which may have given several.
    """

    sent_ns: NonNegativeInt = 0
    due_ns: NonNegativeInt | None = None
    connect_ns: NonNegativeInt | None = None
    ttft_ns: PositiveInt | None = None
    answer_ns: PositiveInt | None = None
    gap_ns: tuple[int, ...] = ()
    total_ns: PositiveInt | None = None
    n_prompt: NonNegativeInt | None = None
    n_cached: NonNegativeInt | None = None
    n_tokens: NonNegativeInt | None = None
    finish: str | None = None
    model: str | None = None
    server: ServerTimes | None = None
    turn: NonNegativeInt | None = None
    user: NonNegativeInt | None = None
    history: History | None = None
    speculation: Speculation | None = None
    token_ids: tuple[int, ...] = ()
    failure: RequestFailure | None = None

    @property
    def n_events(self) -> int:
        """Events with text or reasoning text."""
        return 0 if self.ttft_ns is None else 1 + len(self.gap_ns)

    @property
    def decode_ns(self) -> int:
        """From the first event to the last."""
        return sum(self.gap_ns)

    @property
    def answered_ns(self) -> int:
        """Until the last of the answer had come; 0 without one."""
        return (self.ttft_ns or 0) + self.decode_ns

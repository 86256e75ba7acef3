"""
What is measured: one row for each metric, with everything that any part of the harness says of it.

A new metric is a row here and its formula: in formulas.py for what a workload yields, in memory.py
for the model as a whole, in quality.py for the distance from a reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.schema.workload import (
    Decode,
    ParallelDecode,
    ParallelPrefill,
    Prefill,
    Sustain,
    Verify,
)
from harness.schema.workload_kind import Workload
from harness.schema.workload_requests import Chat, Exchange, UserLoad
from harness.schema.workload_tasks import TextTask
from harness.schema.workload_turns import Turns, TurnsTogether

Better = Literal["more", "less"]
Topic = Literal["", "load", "memory", "model", "quality"]


@dataclass(frozen=True, slots=True)
class Metric:
    """
    One metric.

    Attributes:
        name: Its key in documents, flat figures and options.
        label: What a table calls it.
        unit: Of its figures, as `units.quantity` knows it.
        better: Which of two values is the better one; None where neither is.
        of: The kinds of workload that yield it; empty for the model as a whole.
        topic: What it is about; "" where a workload says so.
        detail: Which of several metrics of one label it is.
        formula: Printed below a table that shows it; "{energy}" is what the joules are of.
        compared: Whether `harness compare` and `harness gate` know it.
        gated: Whether `harness gate` judges it unless it is told others.
        counted: The engine itself tells it: the same in every Run it is exact, however few.
        has_context: It grows with the largest context that was made.
        most: A larger value is not to be believed; None where any is.
    """

    name: str
    label: str
    unit: str
    better: Better | None = None
    of: tuple[type[Workload], ...] = ()
    topic: Topic = ""
    detail: str = ""
    formula: str = ""
    compared: bool = False
    gated: bool = False
    counted: bool = False
    has_context: bool = False
    most: float | None = None

    @property
    def is_more_better(self) -> bool:
        """Whether the larger of two values is the better one."""
        return self.better == "more"

    @property
    def words(self) -> tuple[str, str]:
        """What a better and a worse value make of something: "faster", "slower"."""
        return _WORDS.get(self.unit, ("faster", "slower"))

    def is_of(self, workload: Workload) -> bool:
        """Whether trials of `workload` may yield it."""
        return isinstance(workload, self.of)


_WORDS = {
    "bytes": ("smaller", "larger"),
    "J/token": ("more efficient", "less efficient"),
    "ratio": ("higher", "lower"),
    "": ("more", "fewer"),
}

_WRITING = (Decode, ParallelDecode)
_PARALLEL = (ParallelPrefill, ParallelDecode)
_ASKED = (Chat, Exchange)
_TOLD = (*_ASKED, TextTask)
_CONVERSATIONS = (Turns, TurnsTogether)
_STREAMED = (*_WRITING, *_ASKED, UserLoad, *_CONVERSATIONS)
_COUNTED = (Prefill, Decode, *_PARALLEL, Verify)

_PER_USER = (
    "Per user: tok/s of all sequences together / their number; of users of a server the median of "
    "what their answers show, (tokens - 1) / (last event - first)."
)
_LATE = "TTFT of users: from when a request was due; queued: TTFT - the server's own prompt time."
_LOADED = "Answers/s: whole answers / time; goodput: those within --slo; failed: of all requests."
_TURNS = (
    "Of a conversation TTFT is the first turn's, TTFT kept the median of later ones, which find "
    "what is in the cache; edited, uncached: the last turn's once more, after the first message "
    "was changed, and with an empty cache; saved: 1 - the last turn's TTFT / uncached."
)
_CACHED = "Cached: share of later turns' prompts that came from the cache, the median."
_FULL = "Context full: the turn, counted from 1, for which the context had no room."
_SESSION = (
    "Session: the cache of the whole conversation, copied into memory and back, and through a file "
    "(which the system still has in memory when it is read)."
)
_ITL = "ITL: time of each decode step (tg), or gap between streamed tokens after the first (chat)."
_CHAT_RATES = (
    "Prefill tok/s: prompt tokens / TTFT. Decode tok/s: tokens after the first / the gaps' sum."
)
_BY_SERVER = (
    "By server: its own times; tokens an event: its tokens / the events with text that came, "
    "between which ITL is."
)
_GUESSES = (
    "Accepted: of the tokens guessed ahead, those that the model would have written. Tokens a "
    "step: tokens after the first / passes of the model that gave them."
)
_QUARTERS = "First, last: rates over the first and last quarter of a sustained generation."
_LOAD = "Load: process start to ready context; cold: the file was not in the page cache."
_NEED = "Needed: the engine's buffers, weights + largest context (KV cache + compute + output)."
_PROCESS = "Anonymous, file-backed, peak: the whole process; file-backed pages can be taken back."

# fmt: off
_ROWS = (
    Metric("tok_per_s", "tok/s", "tok/s", "more", (*_COUNTED, Sustain, UserLoad, TurnsTogether),
           formula="tok/s: tokens / time of the timed region, which holds no model loading.",
           compared=True, gated=True),
    Metric("tok_per_s_per_user", "per user", "tok/s", "more",
           (*_PARALLEL, UserLoad, TurnsTogether), formula=_PER_USER),
    Metric("ttft_kept", "TTFT kept", "ns", "less", _CONVERSATIONS, formula=_TURNS,
           compared=True, gated=True),
    Metric("ttft", "TTFT", "ns", "less", (*_ASKED, UserLoad, *_CONVERSATIONS),
           formula="TTFT: text in to first text out, tokenizing and the first sample included.",
           compared=True, gated=True),
    Metric("ttft_edited", "TTFT edited", "ns", "less", (Turns,), formula=_TURNS),
    Metric("ttft_dropped", "TTFT uncached", "ns", "less", (Turns,), formula=_TURNS),
    Metric("kept_saves", "saved", "ratio", "more", (Turns,), formula=_TURNS),
    Metric("cached_ratio", "cached", "ratio", "more", _CONVERSATIONS, formula=_CACHED),
    Metric("full_turn", "context full", "", "more", _CONVERSATIONS, formula=_FULL),
    Metric("ttft_p95", "TTFT p95", "ns", "less", (UserLoad,), formula=_LATE),
    Metric("queued", "queued", "ns", "less", (UserLoad,), formula=_LATE),
    Metric("answer", "first answer token", "ns", "less", _ASKED,
           formula="First answer token: text in to the first text behind the reasoning."),
    Metric("itl_p50", "ITL p50", "ns", "less", _STREAMED, formula=_ITL),
    Metric("itl_p95", "ITL p95", "ns", "less", _STREAMED, formula=_ITL, compared=True),
    Metric("itl_p99", "ITL p99", "ns", "less", _STREAMED, formula=_ITL),
    Metric("batch", "batch", "ns", "less", (Verify,),
           formula="Batch: one pass over all its tokens, each with the logits of what follows."),
    Metric("end_to_end", "end to end", "ns", "less", (*_ASKED, UserLoad),
           formula="End to end: text in to last text out."),
    Metric("prefill_tok_per_s", "prefill tok/s", "tok/s", "more", (*_ASKED, Turns),
           formula=_CHAT_RATES),
    Metric("decode_tok_per_s", "decode tok/s", "tok/s", "more", (*_TOLD, Turns),
           formula=_CHAT_RATES, compared=True, gated=True),
    Metric("accepted_ratio", "accepted", "ratio", "more", _TOLD, formula=_GUESSES,
           compared=True),
    Metric("tokens_per_step", "tokens a step", "", "more", _TOLD, formula=_GUESSES,
           compared=True),
    Metric("session_bytes", "session", "bytes", "less", (Turns,), formula=_SESSION),
    Metric("session_save", "session saved", "ns", "less", (Turns,), formula=_SESSION),
    Metric("session_restore", "session restored", "ns", "less", (Turns,), formula=_SESSION),
    Metric("session_write", "session written", "ns", "less", (Turns,), formula=_SESSION),
    Metric("session_read", "session read", "ns", "less", (Turns,), formula=_SESSION),
    Metric("requests_per_s", "answers/s", "/s", "more", (UserLoad,), formula=_LOADED),
    Metric("goodput", "goodput", "/s", "more", (*_ASKED, UserLoad), formula=_LOADED),
    Metric("within_slo", "within SLO", "ratio", "more", (*_ASKED, UserLoad), formula=_LOADED),
    Metric("failed_ratio", "failed", "ratio", "less", (UserLoad,), formula=_LOADED),
    Metric("tokens_per_event", "tokens an event", "", None, (*_TOLD, *_CONVERSATIONS),
           formula=_BY_SERVER),
    Metric("server_prompt", "prompt by server", "ns", "less", _TOLD, formula=_BY_SERVER),
    Metric("server_decode_tok_per_s", "decode by server", "tok/s", "more",
           (*_TOLD, *_CONVERSATIONS),
           formula=_BY_SERVER),
    Metric("first_quarter", "first tok/s", "tok/s", "more", (Sustain,), formula=_QUARTERS),
    Metric("last_quarter", "last tok/s", "tok/s", "more", (Sustain,), formula=_QUARTERS),
    Metric("throttle_ratio", "last / first", "ratio", "more", (Sustain,), formula=_QUARTERS),
    Metric("joules_per_token", "J/token", "J/token", "less",
           (*_COUNTED, *_TOLD, UserLoad, Sustain),
           formula="J/token: joules of {energy} / tokens.", compared=True),
    Metric("mbu", "MBU", "ratio", None, (Decode,),
           formula="MBU: bytes read per token x tok/s / bandwidth of plain reads around the same "
           "Run.", most=1.0),

    Metric("load_cold", "cold", "ns", "less", topic="load", formula=_LOAD),
    Metric("load_warm", "warm", "ns", "less", topic="load", formula=_LOAD, compared=True),
    Metric("load", "cache unknown", "ns", "less", topic="load", formula=_LOAD, compared=True),
    Metric("first_answer", "first answer", "ns", "less", topic="load",
           formula="First answer: start of a fresh client, or of a server that was started for it, "
           "to the first token that it got, the model's loading included where that was needed."),

    Metric("need", "needed", "bytes", "less", topic="memory", formula=_NEED,
           compared=True, gated=True, counted=True, has_context=True),
    Metric("weights", "weights", "bytes", "less", topic="memory"),
    Metric("kv", "KV cache", "bytes", "less", topic="memory"),
    Metric("compute", "compute", "bytes", "less", topic="memory"),
    Metric("anonymous", "anonymous", "bytes", "less", topic="memory", formula=_PROCESS),
    Metric("file_backed", "file-backed", "bytes", "less", topic="memory", formula=_PROCESS),
    Metric("peak", "peak", "bytes", "less", topic="memory", formula=_PROCESS,
           compared=True, gated=True, has_context=True),
    Metric("footprint", "footprint", "bytes", "less", topic="memory", formula=_PROCESS),
    Metric("gpu_memory", "GPU", "bytes", "less", topic="memory"),
    Metric("bandwidth", "bandwidth", "bytes/s", topic="memory"),
    Metric("bytes_per_token", "read per token", "bytes", topic="model"),

    Metric("perplexity", "perplexity", "perplexity", "less", topic="quality"),
    Metric("reference_perplexity", "perplexity", "perplexity", topic="quality",
           detail="of the reference"),
    Metric("ln_ratio", "perplexity", "", "less", topic="quality", detail="ln of their ratio"),
    Metric("perplexity_difference", "perplexity", "perplexity", "less", topic="quality",
           detail="their difference"),
    Metric("mean_kld", "KL divergence", "nats", "less", topic="quality", detail="mean"),
    Metric("kld_p999", "KL divergence", "nats", "less", topic="quality",
           detail="99.9th percentile"),
    Metric("median_kld", "KL divergence", "nats", "less", topic="quality", detail="median"),
    Metric("max_kld", "KL divergence", "nats", "less", topic="quality", detail="largest"),
    Metric("same_top", "same top token", "ratio", "more", topic="quality"),
)
# fmt: on

METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}
"""By name, in the order shown; of each kind of workload the one that it is judged by is first."""

COMPARED = tuple(name for name, row in METRICS.items() if row.compared)
"""What is compared. A cold load happens once an experiment, and the process's other memory figures
are parts of its peak."""

GATED = tuple(name for name, row in METRICS.items() if row.gated)
"""What a gate judges unless other metrics are asked for. The 95th percentile of gaps and the time
to load vary so much that few gates would ever decide them; energy is measured on few machines."""


def headline(workload: Workload) -> Metric:
    """The metric by which a workload is judged precise, and named first."""
    return next(row for row in _ROWS if row.is_of(workload))

"""Makes trials, and the counters around them, as a small Linux machine would yield them."""

from __future__ import annotations

import random
from typing import Any

from harness.schema.experiment import Trial
from harness.schema.machine import Counters
from harness.schema.request import Request, ServerTimes, SessionState
from harness.schema.workload import ParallelPrefill, Prefill, Sustain, Verify, parse_workload
from harness.schema.workload_requests import UserLoad
from harness.schema.workload_tasks import TextTask
from harness.schema.workload_turns import Turns


def make_counters(wall_ns: int = 1_000_000_000, **changes: Any) -> Counters:
    """A quiet trial: two threads busy all the time, others take 1 % of the two CPUs."""
    facts = {
        "wall_ns": wall_ns,
        "process_cpu_ns": 2 * wall_ns * 98 // 100,
        "system_busy_ns": 2 * wall_ns * 99 // 100,
        "steal_ns": 0,
        "run_delay_ns": wall_ns // 200,
        "n_involuntary_switches": 4,
        "n_major_faults": 0,
        "disk_read_bytes": 0,
        "swap_in_bytes": 0,
        "swap_out_bytes": 0,
        "reference_ns": 1_000_000,
    }
    return Counters.model_validate(facts | changes)


def disturbed_counters(wall_ns: int = 1_000_000_000) -> Counters:
    """One busy process beside two threads on two CPUs: they get two thirds of the time."""
    return make_counters(
        wall_ns,
        process_cpu_ns=2 * wall_ns * 2 // 3,
        system_busy_ns=2 * wall_ns,
        run_delay_ns=wall_ns * 9 // 10,
    )


def make_trial(
    workload: str = "tg128",
    rate: float = 120.0,
    index: int = 0,
    *,
    rng: random.Random | None = None,
    counters: Counters | None = None,
    **changes: Any,
) -> Trial:
    """A trial that makes `rate` tokens a second; its steps vary by a few percent with an `rng`."""
    task = parse_workload(workload)
    facts: dict[str, Any] = {"workload": workload, "index": index}
    jitter = rng.uniform if rng else lambda _low, _high: 1.0
    if isinstance(task, Prefill | ParallelPrefill):
        n_tokens = task.n * task.n_sequences
        facts |= {"n_tokens": n_tokens, "total_ns": round(n_tokens / rate * 1e9)}
    elif isinstance(task, Verify):
        batches = [round(task.n / rate * 1e9 * jitter(0.97, 1.05)) for _ in range(task.n_steps)]
        n_tokens = task.n * task.n_steps
        facts |= {"n_tokens": n_tokens, "total_ns": sum(batches), "step_ns": batches}
    elif isinstance(task, Sustain):
        windows = [round(rate * jitter(0.97, 1.03)) for _ in range(task.seconds)]
        facts |= {
            "n_tokens": sum(windows),
            "total_ns": task.seconds * 1_000_000_000,
            "window_tokens": windows,
            "window_ns": [1_000_000_000] * task.seconds,
        }
    elif isinstance(task, UserLoad):
        facts |= _of_users(task, rate)
    elif isinstance(task, TextTask):
        facts |= _of_task(task, rate)
    elif isinstance(task, Turns):
        facts |= make_turns(task, rate)
    else:
        n_gaps = task.n_generated - task.is_request
        step_s = task.n_sequences / rate
        steps = [round(1e9 * step_s * jitter(0.97, 1.05)) for _ in range(n_gaps)]
        n_tokens = task.n_generated * task.n_sequences
        facts |= {"n_tokens": n_tokens, "total_ns": sum(steps), "step_ns": steps}
    if task.is_request and not (task.needs_server or "requests" in facts):
        ttft_ns = 800_000_000
        facts |= {"n_prompt": 250, "tokenize_ns": 400_000, "ttft_ns": ttft_ns}
        facts["total_ns"] += ttft_ns
    facts["counters"] = counters or make_counters(facts["total_ns"])
    return Trial.model_validate(facts | changes)


def _of_task(task: TextTask, rate: float) -> dict[str, Any]:
    """Two answers, the second at half the speed of the first, `rate` tokens a second in all."""
    n_later = task.n_generated - 1
    requests = [
        Request(
            ttft_ns=500_000_000,
            gap_ns=(round(share * 1e9 / rate),) * n_later,
            n_prompt=task.n_prompt,
            n_tokens=task.n_generated,
            token_ids=tuple(range(task.n_generated)),
        )
        for share in (2 / 3, 4 / 3)
    ]
    return {
        "n_tokens": 2 * task.n_generated,
        "total_ns": sum(request.answered_ns for request in requests),
        "requests": requests,
    }


def _of_users(task: UserLoad, rate: float) -> dict[str, Any]:
    """All at once, and answered with `rate` tokens a second together."""
    gap_ns = round(task.n_requests / rate * 1e9)
    n_gaps = task.n_generated - 1
    request = Request(
        ttft_ns=800_000_000,
        gap_ns=(gap_ns,) * n_gaps,
        total_ns=800_000_000 + n_gaps * gap_ns,
        n_prompt=250,
        n_cached=0,
        n_tokens=task.n_generated,
        finish="length",
        server=ServerTimes(prompt_ns=700_000_000),
    )
    return {
        "n_tokens": task.n_generated * task.n_requests,
        "total_ns": request.total_ns,
        "requests": (request,) * task.n_requests,
    }


PREFILL_PER_S = 1000
"""Of what `make_turns` makes: a token that is not in the cache takes a millisecond."""


def make_turns(task: Turns, rate: float = 100.0, **changes: Any) -> dict[str, Any]:
    """Conversations whose cache is kept whole, with `rate` tokens a second of each answer."""
    requests, total_ns = [], 0
    users = range(task.n_sequences)
    for turn in range(task.n_turns):
        for user in users:
            n_before = task.n_system + turn * (task.n_input + task.n_output)
            n_cached = n_before if turn else task.n_system if user else 0
            requests.append(_turn(task, rate, turn, n_cached, user=user, history="kept"))
        total_ns += requests[-1].answered_ns
    if task.n_sequences == 1:
        last = task.n_turns - 1
        for history, n_cached in (("edited", task.n_system), ("dropped", 0)):
            requests.append(_turn(task, rate, last, n_cached, history=history, n_tokens=1))
        session = SessionState(
            n_tokens=requests[-1].n_prompt,
            n_bytes=20_000_000,
            save_ns=4_000_000,
            restore_ns=5_000_000,
            write_ns=30_000_000,
            read_ns=9_000_000,
        )
        changes = {"session": session} | changes
    return {
        "n_tokens": task.n_turns * task.n_output * task.n_sequences,
        "total_ns": total_ns,
        "n_prompt": requests[0].n_prompt,
        "ttft_ns": requests[0].ttft_ns,
        "chat_template": "applied",
        "requests": tuple(requests),
    } | changes


def _turn(
    task: Turns, rate: float, turn: int, n_cached: int, n_tokens: int = 0, **more: Any
) -> Request:
    n_tokens = n_tokens or task.n_output
    n_prompt = task.n_system + turn * task.n_output + (turn + 1) * task.n_input
    return Request(
        ttft_ns=(n_prompt - n_cached) * 1_000_000_000 // PREFILL_PER_S,
        gap_ns=(round(1e9 / rate),) * (n_tokens - 1),
        n_prompt=n_prompt,
        n_cached=n_cached,
        n_tokens=n_tokens,
        turn=turn,
        **more,
    )

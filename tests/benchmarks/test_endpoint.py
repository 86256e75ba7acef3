from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import endpoint


@pytest.mark.parametrize("client", ["harness", "httpx"])
def test_a_client_tells_the_error_of_each_event(client: str) -> None:
    with endpoint._serving(5, 0.002) as port:
        command = [sys.executable, "-m", "benchmarks.endpoint_client", client, str(port), "3", "2"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

    told = json.loads(done.stdout)
    assert (len(told["first_ns"]), len(told["gap_ns"])) == (6, 6 * 4)
    # Nothing comes before it was sent, and what was sent is no estimate.
    assert min(told["first_ns"]) > 0
    assert min(told["gap_ns"]) >= 0
    assert told["cpu_ns"] > 0


def results(ours: float, theirs: float) -> endpoint._Results:
    """Three processes of each case, whose every error is that many milliseconds."""

    def one(error_ms: float) -> dict[str, object]:
        return {"first_ns": [error_ms * 1e6] * 4, "gap_ns": [error_ms * 1e6] * 9, "cpu_ns": 1}

    return {
        (n, name): [one(error)] * 3
        for n in endpoint._STREAMS
        for name, error in (("harness", ours), ("httpx", theirs))
    }


def test_what_was_asked_for_is_judged_case_by_case() -> None:
    assert "holds in every case" in endpoint._verdict(results(0.1, 0.2))
    assert endpoint._verdict(results(0.3, 0.2)).count(": p99 worse") == 6
    assert endpoint._verdict(results(0.6, 0.7)).count("more than 0.5 ms") == 6

"""
Streams read at once by one client, in a process of its own; started by benchmarks.endpoint.

    python -m benchmarks.endpoint_client harness|httpx PORT STREAMS TIMES

As many streams at once, as many times one after the other. Of each event it tells how much later
it was stamped than sent, of each gap how much longer or shorter it came out than it was.
"""

from __future__ import annotations

import gc
import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from time import perf_counter_ns

from harness.endpoint.address import Address
from harness.endpoint.answer import read
from harness.endpoint.call import chat_call
from harness.endpoint.events import server_sent
from harness.endpoint.stream import Raw, prepare

_CALL = chat_call("m", "Hello", 100, "openai", 1)
_Lines = list[tuple[int, bytes]]


def main() -> None:
    """Prints the errors of all events, the first ones apart, and the CPU time that reading took."""
    kind, port, n_streams, times = sys.argv[1], *map(int, sys.argv[2:])
    prepare_all = _CLIENTS[kind]
    first_ns: list[int] = []
    gap_ns: list[int] = []
    cpu_ns = 0
    for _ in range(times):
        answers, taken_ns = _answers(prepare_all(port, n_streams), n_streams)
        cpu_ns += taken_ns
        for each in answers:
            sent_ns, came_ns = _of_ours(each) if isinstance(each, Raw) else _of_lines(each)
            first_ns.append(came_ns[0] - sent_ns[0])
            late_ns = [came - sent for came, sent in zip(came_ns, sent_ns, strict=True)]
            gap_ns += [abs(later - earlier) for earlier, later in itertools.pairwise(late_ns)]
    print(json.dumps({"first_ns": first_ns, "gap_ns": gap_ns, "cpu_ns": cpu_ns}))


def _answers(ask: Callable[[int], Raw | _Lines], n_streams: int) -> tuple[list[Raw | _Lines], int]:
    """What all streams gave, read at once, and the CPU time of that."""
    answers: list[Raw | _Lines] = []

    def one(number: int) -> None:
        answers.append(ask(number))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(n_streams)]
    gc.disable()
    cpu_ns = time.process_time_ns()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cpu_ns = time.process_time_ns() - cpu_ns
    gc.enable()
    return answers, cpu_ns


def _harness(port: int, n_streams: int) -> Callable[[int], Raw]:
    address = Address("http", "127.0.0.1", port)
    prepared = [prepare(address, _CALL, key=None, silence_s=30) for _ in range(n_streams)]
    return lambda number: prepared[number].send()


def _of_ours(raw: Raw) -> tuple[list[int], list[int]]:
    """When each event was sent, and when it came by the figures that a record would keep."""
    found = read(raw, "openai")
    assert found.failure is None, found.failure
    assert found.ttft_ns is not None
    came_ns = [raw.sent_ns + found.ttft_ns]
    for gap_ns in found.gap_ns:
        came_ns.append(came_ns[-1] + gap_ns)
    return _sent(list(zip(raw.stamps_ns, raw.lines, strict=True))), came_ns


def _sent(lines: _Lines) -> list[int]:
    documents = (document for _, document in server_sent(lines).documents)
    return [document["sent_ns"] for document in documents if "sent_ns" in document]


def _httpx(port: int, n_streams: int) -> Callable[[int], _Lines]:
    # People know it as httpx; this is its successor, which the harness has anyway.
    import httpx2

    clients = [httpx2.Client(timeout=30) for _ in range(n_streams)]
    url = f"http://127.0.0.1:{port}{_CALL.path}"

    def ask(number: int) -> _Lines:
        lines: _Lines = []
        rest = b""
        with clients[number].stream("POST", url, content=_CALL.body) as response:
            for block in response.iter_raw():
                at_ns = perf_counter_ns()
                *whole, rest = (rest + block).split(b"\n")
                lines += [(at_ns, line + b"\n") for line in whole]
        return lines

    return ask


def _of_lines(lines: _Lines) -> tuple[list[int], list[int]]:
    documents = server_sent(lines).documents
    pairs = [(document["sent_ns"], at_ns) for at_ns, document in documents if "sent_ns" in document]
    sent_ns, came_ns = zip(*pairs, strict=True)
    return list(sent_ns), list(came_ns)


_CLIENTS: dict[str, Callable[[int, int], Callable[[int], Raw | _Lines]]] = {
    "harness": _harness,
    "httpx": _httpx,
}


if __name__ == "__main__":
    main()

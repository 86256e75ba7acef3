"""
A model server with exactly known delays, whose every event says when it was sent.

    python -m benchmarks.endpoint_server EVENTS GAP_S

The times are by the clock that all processes of a machine share (CLOCK_MONOTONIC on Linux), taken
directly before the system is given the bytes. It prints its port.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

FIRST_S = 0.2
_REST = ', "id": "chatcmpl-H9BITnjp0ceAJvqZpGZIz1keWBFz0TET", "created": 1795884978, "model": "m"'
_EVENT = (
    'data: {"sent_ns": %d, "choices": [{"finish_reason": null, "index": 0, "delta": '
    '{"content": "x"}}]' + _REST + "}\n\n"
)
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
    b"Connection: close\r\n\r\n"
)


def _chunk(text: str) -> bytes:
    data = text.encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def _end(n_events: int) -> bytes:
    usage = {"prompt_tokens": 9, "completion_tokens": n_events}
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}], "usage": usage}
    return _chunk(f"data: {json.dumps(last)}\n\n") + _chunk("data: [DONE]\n\n") + b"0\r\n\r\n"


async def _serve(n_events: int, gap_s: float) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(line[15:])
                for line in head.lower().split(b"\r\n")
                if line[:15] == b"content-length:"
            ),
            0,
        )
        await reader.readexactly(length)
        due = time.perf_counter()
        writer.write(_HEAD)
        for number in range(n_events):
            due += gap_s if number else FIRST_S
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            writer.write(_chunk(_EVENT % time.perf_counter_ns()))
        writer.write(_end(n_events))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))

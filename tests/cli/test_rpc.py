"""`harness rpc serve`, and models measured over two servers of the loopback."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psutil
import pytest
from make.servers import free_port

from cli.commandline import ONE_THREAD, QUICK, Home, is_gone, wait_until
from harness.machine.rpc import greet
from harness.measure.rpc_serving import rpc_served

MODEL = "tiny-random"
LIMIT = 512 << 20
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows sends no such signal to one")


@pytest.fixture(scope="module")
def two() -> Iterator[str]:
    """Two servers that answer, as --rpc takes them."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(rpc_served("127.0.0.1", free_port(), 1, LIMIT)) for _ in range(2)
        ]
        yield ",".join(server.offer.address for server in servers)


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home], two: str) -> Home:
    """tiny-random, measured over both in equal shares."""
    home = new_home()
    done = home.harness("run", MODEL, *QUICK, "--rpc", two, "--tensor-split", "1/1", "--json")
    assert done.exit_code == 0, done.stderr
    assert len(done.document["machine"]["rpc"]) == 2
    return home


@pytest.mark.slow
def test_weights_lie_on_both_in_their_shares(measured: Home, two: str) -> None:
    experiment, (run,) = measured.lines()[0], measured.runs()
    assert run["settings"]["rpc"] == two.split(",")
    assert run["outcome"]["status"] == "ok"
    weights = {it["device"]: it["n_bytes"] for it in run["weights"]}
    assert weights["RPC0"] > weights["RPC1"] > 0
    cache = {
        it["device"]: it["n_bytes"] for it in run["contexts"][0]["buffers"] if it["kind"] == "kv"
    }
    assert cache["RPC0"] > cache["RPC1"] > 0
    # What was planned over both is what was taken there.
    predicted = {it["component"]: it["value"] for it in experiment["predictions"]}
    assert predicted["kv_bytes"] == sum(cache.values())
    assert predicted["weights_bytes"] == pytest.approx(sum(weights.values()), rel=0.02)
    assert not [it for it in experiment["predictions"] if it["component"] == "decode"]


@pytest.mark.slow
def test_the_machine_is_one_of_several_and_not_the_one_here(measured: Home, two: str) -> None:
    machine = measured.lines()[0]["machine"]
    assert [server["address"] for server in machine["rpc"]] == two.split(",")
    for server in machine["rpc"]:
        assert server["ping_ns"] > 0
        assert [device["total_bytes"] for device in server["devices"]] == [LIMIT]
    here = measured.harness("machine", "--json").document["machine"]
    assert here["rpc"] == []
    assert here["id"] != machine["id"]


@pytest.mark.slow
def test_a_page_names_servers_and_their_distance(measured: Home, two: str) -> None:
    shown = measured.harness("show", "latest")
    text = " ".join((shown.stdout + shown.stderr).split())
    first, second = two.split(",")
    assert f"rpc {first}/{second}" in text
    assert f"RPC server {first}: " in text
    assert "free of 512 MiB, ping " in text
    assert "the way to 2 servers takes about " in text


@pytest.mark.slow
def test_shared_results_tell_no_address(measured: Home, two: str) -> None:
    done = measured.harness("share", "latest", "-o", "shared.jsonl")
    assert done.exit_code == 0, done.stderr
    for path in (path for path in measured.folder.glob("shared*/**/*") if path.is_file()):
        text = path.read_bytes()
        assert not [address for address in two.split(",") if address.encode() in text], path


@pytest.mark.slow
def test_splits_over_the_same_servers_are_compared(home: Home, two: str) -> None:
    splits = ("--tensor-split", "1/1,3/1")
    done = home.harness("compare", MODEL, *QUICK, "--rpc", two, *splits, "--json")
    assert done.exit_code == 0, done.stderr
    (pair,) = done.document["comparisons"]
    assert [pair[side]["settings"]["tensor_split"] for side in "ab"] == [[1.0, 1.0], [3.0, 1.0]]
    assert {tuple(run["settings"]["rpc"]) for run in home.runs()} == {tuple(two.split(","))}


@pytest.mark.slow
def test_a_frontier_over_servers_has_none_of_this_machine_alone(home: Home, two: str) -> None:
    measuring = ("--measure", "--chunks", "0", *QUICK)
    done = home.harness("frontier", MODEL, *measuring, "--rpc", two, "--json")
    assert done.exit_code == 0, done.stderr

    def known(*options: str) -> set[str]:
        shown = home.harness("frontier", MODEL, *options, "--json").document
        return {name for option in shown["options"] for name in option["figures"]}

    assert known() == {"bytes"}
    assert known("--rpc", two) > {"bytes"}


@pytest.mark.slow
def test_an_interrupted_experiment_goes_on_over_the_same_servers(
    measured: Home, new_home: Callable[[], Home]
) -> None:
    home = new_home()
    home.results.mkdir()
    path = home.results / measured.record().name
    first, *_ = measured.record().read_text("utf-8").splitlines()
    path.write_text(first + "\n", "utf-8")
    done = home.harness("run", "--resume", "latest", "--json")
    assert done.exit_code == 0, done.stderr
    (run,) = home.runs()
    assert {"RPC0", "RPC1"} <= {it["device"] for it in run["weights"]}


def test_fit_plans_over_both(home: Home, two: str) -> None:
    asked = ("--rpc", two, "--tensor-split", "1/1", "--ctx", "512", "--offline", "--json")
    done = home.harness("fit", MODEL, *asked)
    assert done.exit_code == 0, done.stderr
    (model,) = done.document["models"]
    (context,) = model["contexts"]
    assert {"RPC0", "RPC1"} <= {*context["by_device"]}
    # What computes there is not known, so the way is all that speaks of speed.
    (speed,) = model["speeds"]
    assert speed["figure"] is None
    assert speed["bound"].startswith("at most ")
    assert "the way to 2 servers takes about" in speed["reason"]


@pytest.mark.slow
def test_a_page_of_fit_tells_how_long_weights_are_under_way(home: Home, two: str) -> None:
    done = home.harness("fit", MODEL, "--rpc", two, "--ctx", "512", "--offline")
    text = " ".join(done.stdout.split())
    assert "how fast it will be cannot be told, but at most " in text
    assert "sending its weights to the servers takes about " in text


def test_where_nobody_answers_nothing_is_begun(home: Home) -> None:
    address = f"127.0.0.1:{free_port()}"
    for command in (("run", MODEL, *QUICK), ("fit", MODEL), ("rehearse", MODEL, *QUICK)):
        done = home.harness(*command, "--rpc", address)
        assert done.exit_code == 1
        assert done.error().startswith(f"the RPC server {address} is not there")
    assert not home.results.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", MODEL, "--rpc", "nothing at all"), "is no RPC server; write 127.0.0.1:50052"),
        (("run", MODEL, "--rpc", "a:1,a:1"), "names a server twice"),
        (("rpc", "serve", "--host", "0.0.0.0"), "add --listen-insecurely"),
        (("rpc", "serve", "--host", "example.org"), "is no IPv4 address"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    home: Home, arguments: tuple[str, ...], told: str
) -> None:
    done = home.harness(*arguments)
    assert done.exit_code == 2
    assert told in done.error()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compare", "--stored", "latest", "latest"), "--rpc is for measuring"),
        (("frontier", MODEL, "--measure", "--in-turns", "always"), "one client at a time"),
        pytest.param(
            ("compare", "--across", "machine", "results"),
            "--rpc is for measuring",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ("compare", MODEL, "--tensor-split", "1/1,2/1", "--in-turns", "always"),
            "one client at a time",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_cannot_be_over_servers_is_refused_in_a_line(
    home: Home, two: str, arguments: tuple[str, ...], told: str
) -> None:
    done = home.harness(*arguments, "--rpc", two)
    assert done.exit_code == 2
    assert told in done.error()


def test_a_served_model_has_no_use_for_other_servers(home: Home, two: str) -> None:
    done = home.harness("run", "--endpoint", "http://127.0.0.1:9", "--rpc", two)
    assert done.exit_code == 2
    assert "--rpc is for the engine here" in done.error()


def test_a_port_in_use_is_refused_in_a_line(home: Home, two: str) -> None:
    port = two.split(",")[0].partition(":")[2]
    done = home.harness("rpc", "serve", "--port", port)
    assert done.exit_code == 1
    assert "cannot be listened at" in done.error()


@posix_only
@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_server_tells_the_tunnel_and_ends_cleanly(home: Home, number: signal.Signals) -> None:
    port = free_port()
    asked = ("rpc", "serve", "--port", str(port), "--memory", "1GiB", *ONE_THREAD)
    with home.started(*asked) as server:
        server.said("Ctrl-C ends it.")
        greet(f"127.0.0.1:{port}")
        children = psutil.Process(server.pid).children(recursive=True)
        server.signal(number)
        done = server.done()
    assert done.exit_code == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "Ended" in done.stderr
    assert f"127.0.0.1:{port}, protocol 7." in done.stdout
    assert ", 1.00 GiB, " in done.stdout
    assert f"-L {port}:127.0.0.1:{port} HOST" in done.stderr
    assert children
    wait_until(lambda: all(map(is_gone, children)), "the end of its processes")

"""What is said of servers that are none, that refuse, or that fail while they are measured."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from make import fault_server
from make.fault_server import CHAT, FaultServer, Script

from cli.commandline import Done, Home, is_gone, wait_until, workers
from harness import cli
from harness.records.store import load
from harness.serving.server import RunningServer

LIST = "/v1/models"
QUICK = ("--runs", "3", "--trials", "1")
KEY = "sk-0123456789abcdef"
GOOD = fault_server.answer([f"t{number} " for number in range(64)])
PAGE = Script(((0, b"<!doctype html><title>Log in</title>"),), content_type="text/html")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.serving() as it:
        serve(it, "tiny")
        it.says(CHAT, GOOD)
        yield it


def serve(server: FaultServer, *names: str) -> None:
    server.tells(LIST, {"object": "list", "data": [{"id": name} for name in names]})


@pytest.fixture
def here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Here]:
    monkeypatch.chdir(tmp_path)
    yield Here(monkeypatch, capsys)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


class Here:
    """`harness ARGUMENTS` in this process, for what is refused before anything is measured."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def refused(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """The exit code and the one line."""
        for name, value in environment.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        with pytest.raises(SystemExit) as exited:
            cli.main()
        done = Done(int(exited.value.code or 0), *self._capsys.readouterr())
        return done.exit_code, done.error()


@pytest.mark.parametrize(
    ("url", "exit_code", "told"),
    [
        ("http://127.0.0.1:9", 1, "nobody listens at http://127.0.0.1:9; start the server"),
        ("http://[::1]:9", 1, "http://[::1]:9"),
        ("http://nosuch.invalid", 1, "there is no server called nosuch.invalid"),
        ("127.0.0.1:9", 2, "says neither http:// nor https://"),
        ("ftp://x", 2, "is neither http:// nor https://"),
        ("", 2, "write it as http://127.0.0.1:8080"),
        ("http://a:pw@127.0.0.1:9", 2, "must not hold a user name or a password"),
        ("http://127.0.0.1:9/?key=pw", 2, "neither a query nor a fragment"),
        ("http://127.0.0.1:9#", 2, "names no model"),
    ],
)
def test_an_address_that_cannot_be_is_one_line(
    here: Here, url: str, exit_code: int, told: str
) -> None:
    code, line = here.refused("run", "--endpoint", url)
    assert code == exit_code
    assert told in line
    assert "pw" not in line


def test_what_is_no_model_server_is_said_to_be_none(here: Here, server: FaultServer) -> None:
    server.says(LIST, PAGE)
    assert (
        "is not a model server: it answers status 200, a page for a browser: Log in"
        in (here.refused("run", server.url)[1])
    )
    server.tells(LIST, {"hello": "world"})
    assert "a document of another kind" in here.refused("run", server.url)[1]
    serve(server)
    assert "serves no model now" in here.refused("run", server.url)[1]


def test_a_model_that_is_not_served_has_its_nearest_offered(
    here: Here, server: FaultServer
) -> None:
    serve(server, "qwen3-8b", "llama-3.1-8b")
    code, line = here.refused("run", "--endpoint", server.url)
    assert code == 1
    assert f"name one, as {server.url}#NAME or with --model: qwen3-8b, llama-3.1-8b" in line
    _, line = here.refused("run", "--endpoint", server.url, "--model", "qwen3-9b")
    assert "the nearest that it does is 'qwen3-8b'" in line
    assert here.refused("compare", f"{server.url}#qwen3-9b", "tiny-random")[1] == line
    code, line = here.refused("run", "--endpoint", f"{server.url}#a", "--model", "b")
    assert code == 2
    assert "names a model already" in line


def test_a_key_that_is_missing_wrong_or_typed_is_said(here: Here, server: FaultServer) -> None:
    server.tells(LIST, {"error": {"message": f"Invalid API key {KEY}"}}, 401)
    endpoint = ("run", "--endpoint", server.url)
    code, line = here.refused(*endpoint)
    assert (code, "wants a key (status 401" in line) == (1, True)
    code, line = here.refused(*endpoint, "--api-key-env", "MODELS_KEY")
    assert (code, "MODELS_KEY is empty or not set" in line) == (2, True)
    code, line = here.refused(*endpoint, "--api-key-env", KEY)
    assert (code, KEY in line, "is not the name of a variable" in line) == (2, False, True)
    code, line = here.refused(*endpoint, "--api-key-env", "MODELS_KEY", MODELS_KEY="sk 12")
    assert (code, "is no key" in line) == (2, True)
    code, line = here.refused(*endpoint, "--api-key-env", "MODELS_KEY", MODELS_KEY=KEY)
    assert (code, KEY in line, "does not take the key" in line) == (1, False, True)
    code, line = here.refused("run", "tiny-random", "--api-key-env", "MODELS_KEY")
    assert (code, "--api-key-env is for servers" in line) == (2, True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("-w", "tg128"), "tg128 cannot be asked of a server"),
        (("--threads", "2"), "--threads is for the engine here"),
        (("--ctx", "4096"), "--ctx is for the engine here"),
        (("--cold-loads", "2"), "--cold-loads is for the engine here"),
    ],
)
def test_what_a_server_does_not_do_is_refused(
    here: Here, server: FaultServer, options: tuple[str, ...], told: str
) -> None:
    code, line = here.refused("run", "--endpoint", server.url, *options)
    assert code == 2
    assert told in line
    assert not any(asked.path == CHAT for asked in server.requests)
    if options[0] != "-w":
        compared = here.refused("compare", server.url, f"{server.url}#other", *options)
        assert compared == (code, line)


def test_what_a_file_of_settings_says_for_files_is_no_matter_for_servers(
    home: Home, server: FaultServer
) -> None:
    set_to = home.harness("config", "set", "run.threads", "1")
    assert set_to.exit_code == 0, set_to.stderr
    done = home.harness("run", server.url, "--runs", "1", "--trials", "1")
    assert done.exit_code == 0, done.stderr


def test_a_workload_longer_than_the_server_takes_is_refused_before_measuring(
    home: Home, llama_server: RunningServer
) -> None:
    done = home.harness("run", llama_server.url, "-w", "pp2000+tg128", "-q")
    assert done.exit_code == 2
    assert "pp2000+tg128 needs 2128 positions, and tiny" in done.error()
    assert "has 2048 for a request" in done.error()
    assert not home.results.exists()


@pytest.mark.parametrize(
    "command", ["rehearse", "quality", "quantize", "pull", "models", "frontier"]
)
def test_a_command_for_files_says_what_servers_are_for(here: Here, command: str) -> None:
    code, line = here.refused(command, "http://127.0.0.1:9")
    assert code == 1
    assert "harness run --endpoint URL" in line


def test_a_certificate_that_nobody_signed_is_refused(here: Here) -> None:
    certificate = Path(fault_server.__file__).with_name("localhost.pem")
    with fault_server.serving(certificate) as server:
        serve(server, "tiny")
        code, line = here.refused("run", server.url.replace("127.0.0.1", "localhost"))
    assert code == 1
    assert "the certificate of https://localhost" in line


def test_loopback_is_reached_without_the_proxy_of_the_environment(
    here: Here, server: FaultServer
) -> None:
    serve(server)
    _, line = here.refused("run", server.url, http_proxy="http://127.0.0.1:9")
    assert "serves no model now" in line


def outcomes(home: Home) -> list[str | None]:
    """Of each Run, and of what failed in it, the reason."""
    runs = load(home.record()).runs
    return [
        run.case_failures[0].reason if run.case_failures else run.outcome.reason for run in runs
    ]


def test_a_server_that_dies_keeps_what_it_answered_before(home: Home, server: FaultServer) -> None:
    cut = Script(((0, fault_server.event("x")), (0, fault_server.event("y"))), ending="reset")
    # Three answers of the first Run, which may be disturbed and repeated twice; then the end.
    server.says(CHAT, *[GOOD] * 5, cut)
    done = home.harness("run", server.url, *QUICK, "--json")
    assert done.exit_code == 1
    assert "Traceback" not in done.stderr
    assert "closed the connection in the middle of its answer" in " ".join(done.stderr.split())
    stored = load(home.record())
    assert stored.runs[0].trials
    # The moment may pass, so it is tried once more.
    assert outcomes(home)[-2:] == ["cut", "cut"]
    assert stored.is_complete


def test_a_refusal_is_not_repeated(home: Home, server: FaultServer) -> None:
    server.tells(CHAT, {"error": {"message": f"no such key: {KEY}"}}, 403)
    done = home.harness("run", server.url, *QUICK, "--api-key-env", "MODELS_KEY", MODELS_KEY=KEY)
    assert done.exit_code == 1
    assert outcomes(home) == ["refused"]
    assert KEY not in done.stdout + done.stderr + home.record().read_text("utf-8")


def test_a_context_that_is_too_small_is_said_by_the_server(home: Home, server: FaultServer) -> None:
    too_long = {"error": {"message": "the request exceeds the available context size"}}
    server.says(CHAT, GOOD, fault_server.told(too_long, 400))
    done = home.harness("run", server.url, *QUICK)
    assert done.exit_code == 1
    assert outcomes(home) == ["refused"]
    assert "exceeds the available context size" in " ".join(done.stdout.split())


def test_another_model_and_a_short_answer_are_said(home: Home, server: FaultServer) -> None:
    pieces = [(0, fault_server.event(text, model="other")) for text in "abc"]
    end = ((0, fault_server.finish("stop")), (0, fault_server.usage(7, 3)), (0, fault_server.DONE))
    server.says(CHAT, GOOD, Script((*pieces, *end)))
    done = home.harness("run", server.url, "--runs", "1", "--trials", "1")
    assert done.exit_code == 0
    told = " ".join(done.stderr.split())
    assert "the server calls the model that answered other" in told
    assert "answers ended before 64 tokens, the shortest after 3" in told


def chats(server: FaultServer) -> int:
    return sum(asked.path == CHAT for asked in server.requests)


@pytest.mark.slow
def test_a_stream_that_stalls_ends_at_the_limit_of_silence(home: Home, server: FaultServer) -> None:
    stalled = Script(((0, fault_server.event("x")), (0, fault_server.event("y"))), ending="stall")
    server.says(CHAT, GOOD, GOOD, stalled)
    done = home.harness("run", server.url, "--runs", "1", "--trials", "1", "--timeout", "1s")
    assert done.exit_code == 1
    assert outcomes(home) == ["silent"]
    assert f"{server.url} sent nothing for 1.00 s" in " ".join(done.stdout.split())


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("number", "exit_code"),
    [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)],
)
def test_a_signal_in_the_middle_of_an_answer_keeps_the_record(
    home: Home, server: FaultServer, number: int, exit_code: int
) -> None:
    endless = Script(((0, fault_server.event("x")),), ending="stall")
    server.says(CHAT, GOOD, GOOD, GOOD, endless)
    with home.started("run", server.url, "--runs", "3", "--trials", "2") as run:
        wait_until(lambda: chats(server) == 4, "the answer that does not end")
        (worker,) = workers(run.pid)
        if number == signal.SIGINT:
            run.interrupt()
        else:
            run.signal(number)
        done = run.done()
    assert done.exit_code == exit_code
    assert is_gone(worker)
    stored = load(home.record())
    assert outcomes(home) == ["interrupted"]
    assert len(stored.runs[0].trials) == 2  # the warm-up, and what was complete
    assert stored.end is not None
    assert f"harness run --resume {stored.experiment.id}" in done.stderr


def test_a_budget_that_is_spent_ends_asking(home: Home, server: FaultServer) -> None:
    done = home.harness("run", server.url, "--budget", "1s", "--trials", "1", "--runs", "99")
    assert done.exit_code == 0, done.stderr
    end = load(home.record()).end
    assert end is not None
    assert [stop.reason for stop in end.stops] == ["budget"]


@pytest.mark.slow
def test_two_servers_are_compared_one_of_them_by_ipv6(home: Home, server: FaultServer) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6")
    slower = fault_server.answer([f"t{number} " for number in range(64)], first_s=0.05)
    with fault_server.serving(host="::1") as other:
        serve(other, "big", "small")
        other.says(CHAT, slower)
        both = (server.url, f"{other.url}#small")
        done = home.harness("compare", *both, "--runs", "1", "--trials", "1")
    assert done.exit_code == 0, done.stderr
    told = " ".join(done.stdout.split())
    port = other.url.rpartition(":")[2]
    assert f"B small@[::1]:{port} · served by openai-compatible · experiment" in told
    assert {asked.document["model"] for asked in other.requests if asked.path == CHAT} == {"small"}
    again = home.harness("compare", "--stored", "tiny", f"small@[::1]:{port}")
    assert again.exit_code == 0, again.stderr

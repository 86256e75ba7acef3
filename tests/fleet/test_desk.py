"""A desk with a cluster that is only imagined: what it tells, and when it gives up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future

import pytest
from make.fleet import Recorder
from make.records import make_experiment

from harness.fleet import desk as desks
from harness.fleet.desk import Desk, GaveUp, Office, Watch
from harness.fleet.job import Busy, Prepare, Prepared, Refused
from harness.fleet.members import Member
from harness.fleet.order import Hello
from harness.fleet.plan import PATIENCE_NS
from harness.schema.fleet import FleetPart

JOB = Prepare(argv=("m",), fleet=FleetPart(id="0a1b2c3d", host="a"))
PREPARED = Prepared(
    experiment=make_experiment(),
    is_in_turns=False,
    why_apart=None,
    notes=(),
    received_utc_ns=2,
    sent_utc_ns=2,
)
HELLO = Hello(
    harness_version="1",
    python_version="3",
    distributed_version="2",
    machine_id="m",
    machine_title="a machine",
    hostname="h",
    utc_ns=1,
    idle_cores_share=0,
    idle_over_ns=1,
    rss_bytes=1,
)


class Imagined:
    """Workers by host, and who answers."""

    def __init__(self, answer: Callable[[], object | None]) -> None:
        self.there: dict[str, Member] = {"a": Member("tls://x:1", "a", "m", HELLO)}
        self.asked: list[tuple[str, Mapping[str, float]]] = []
        self._answer = answer

    def members(self) -> Mapping[str, Member]:
        return dict(self.there)

    def hear(self, topic: str, on_text: Callable[[object], None]) -> None:
        raise AssertionError

    def ask(self, job: str, key: str, resources: Mapping[str, float]) -> Future[str]:
        self.asked.append((key, resources))
        future: Future[str] = Future()
        answer = self._answer()
        if answer is not None:
            text = answer if isinstance(answer, str) else answer.model_dump_json(by_alias=True)  # type: ignore[attr-defined]
            future.set_result(text)
        return future


class Known:
    """Links that know why."""

    def __init__(self, lost: str | None = None, out: str | None = None) -> None:
        self.lost, self.out = lost, out

    def why_lost(self, host: str) -> str | None:
        return self.lost

    def why_out(self, host: str) -> str | None:
        return self.out


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "_LOOK_S", 0.01)


def office(cluster: Imagined, patience_ns: int = PATIENCE_NS, links: Known | None = None) -> Office:
    return Office(cluster, Watch(cluster.members), Recorder(), links, patience_ns)


def told(office: Office) -> list[str]:
    assert isinstance(office.observer, Recorder)
    return office.observer.of("a")


def test_a_job_goes_to_its_host_and_machine_and_each_has_a_key_of_its_own() -> None:
    cluster = Imagined(lambda: PREPARED)
    desk = Desk(office(cluster), "a")
    assert desk.join() == HELLO
    answers = [desk.ask(JOB).answer for _ in range(2)]
    assert all(isinstance(answer, Prepared) for answer in answers)
    keys, resources = zip(*cluster.asked, strict=True)
    assert len(set(keys)) == 2
    assert dict(resources[0]) == {"benchmark": 1, "host-a": 1, "machine-m": 1}


def test_a_busy_machine_is_asked_again_and_told_of_once() -> None:
    answers = iter([Busy(message="x"), Busy(message="x"), PREPARED])
    where = office(Imagined(lambda: next(answers)))
    desk = Desk(where, "a")
    desk.join()
    desk.ask(JOB)
    assert told(where) == ["waiting"]


def test_a_refusal_is_final() -> None:
    desk = Desk(office(Imagined(lambda: Refused(message="no such model"))), "a")
    desk.join()
    with pytest.raises(GaveUp, match="a: no such model"):
        desk.ask(JOB)
    assert desk.gave_up == "no such model"


def test_an_answer_that_is_none_is_an_error() -> None:
    desk = Desk(office(Imagined(lambda: json.dumps({"answer": "maybe"}))), "a")
    desk.join()
    with pytest.raises(Exception, match="no answer"):
        desk.ask(JOB)


def test_who_does_not_come_is_given_up() -> None:
    cluster = Imagined(lambda: None)
    cluster.there.clear()
    with pytest.raises(GaveUp, match="no worker has come"):
        Desk(office(cluster, patience_ns=1), "a").join()
    with pytest.raises(GaveUp, match="it asks for a password"):
        Desk(office(cluster, links=Known(out="it asks for a password")), "a").join()


def test_who_is_lost_and_comes_back_is_told_of_each_time() -> None:
    cluster = Imagined(lambda: None)
    where = office(cluster, links=Known(lost="no route"))
    desk = Desk(where, "a")
    desk.join()
    member = cluster.there.pop("a")
    assert isinstance(where.observer, Recorder)
    ended: list[BaseException] = []

    def ask() -> None:
        try:
            desk.ask(JOB)
        except BaseException as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    with where.observer.changed:
        where.observer.changed.wait_for(lambda: told(where) == ["lost"], 10)
        cluster.there["a"] = member
        where.observer.changed.wait_for(lambda: told(where) == ["lost", "back"], 10)
    where.stopping.set()
    thread.join(10)
    assert told(where) == ["lost", "back"]
    assert isinstance(ended[0], KeyboardInterrupt)


def test_who_is_lost_for_too_long_or_for_good_is_given_up() -> None:
    for links, patience_ns, why in (
        (None, 1, "it was lost for too long"),
        (Known(out="no harness"), PATIENCE_NS, "no harness"),
    ):
        cluster = Imagined(lambda: None)
        desk = Desk(office(cluster, patience_ns, links), "a")
        desk.join()
        cluster.there.clear()
        with pytest.raises(GaveUp, match=why):
            desk.ask(JOB)


def test_another_machine_under_the_same_name_gets_none_of_its_jobs() -> None:
    cluster = Imagined(lambda: None)
    desk = Desk(office(cluster), "a")
    desk.join()
    cluster.there["a"] = Member("tls://x:2", "a", "another", HELLO)
    with pytest.raises(GaveUp, match="another machine is called a now"):
        desk.ask(JOB)

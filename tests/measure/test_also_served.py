"""The model that a plan holds for a server, and the server's Run, with a real one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from make.records import make_experiment, make_model
from make.servers import status_of

from harness.errors import UsageError
from harness.machine.listener import listener_at
from harness.measure.also_served import Running, Servers, served_twins, servers_of
from harness.measure.jobs.measure import MeasureReport
from harness.schema.experiment import Plan
from harness.schema.machine import Device
from harness.schema.settings import Settings
from harness.serving.program import BinaryProgram, WheelProgram, server_program

WHEEL = server_program(None)
SETTINGS = (Settings(n_threads=1),)
FILE = make_model(key="tiny")


def test_a_served_model_is_the_same_file_with_a_key_of_its_own() -> None:
    (model,) = served_twins([FILE], WHEEL, SETTINGS, ("tg64@d256", "chat"))
    assert model.key == "tiny@llama-server"
    assert (model.sha256, model.quantization) == (FILE.sha256, FILE.quantization)
    assert model.served.started_for == "tiny"
    assert (model.served.version or "").startswith("xllamacpp ")
    assert (model.served.settings.n_ctx, model.served.settings.n_slots) == (2048, 1)


def test_the_context_that_was_asked_for_is_the_servers_too() -> None:
    settings = (Settings(n_threads=1, n_ctx=4096),)
    (model,) = served_twins([FILE], WHEEL, settings, ("chat",))
    assert model.served.settings.n_ctx == 4096


def test_what_cannot_be_served_is_refused_before_anything_is_measured() -> None:
    several = (Settings(n_threads=1), Settings(n_threads=2))
    old = BinaryProgram(Path("llama-server"), frozenset({"--model"}), None)
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: served_twins([], WHEEL, SETTINGS, ("chat",)), "name a model"),
        (lambda: served_twins([FILE], WHEEL, several, ("chat",)), "a single value of each setting"),
        (lambda: served_twins([FILE], WHEEL, SETTINGS, ("tg128",)), "none of tg128 is one"),
        (lambda: served_twins([FILE], old, SETTINGS, ("chat",)), "does not know --host"),
        (
            lambda: served_twins([make_model(kind="embeds")], WHEEL, SETTINGS, ("chat",)),
            "is an embedding model: there are no answers",
        ),
        (
            lambda: served_twins([make_model(is_twin=True)], WHEEL, SETTINGS, ("chat",)),
            "is a twin",
        ),
    ]
    for asked, words in cases:
        with pytest.raises(UsageError, match=words):
            asked()


GPU = Device(name="CUDA0", description="RTX", kind="gpu", total_bytes=1 << 33, free_bytes=1 << 33)
ON_GPU = make_experiment().provenance.engine.model_copy(update={"devices": (GPU,)})
ON_CPU = make_experiment().provenance.engine


def plan_of(**settings: object) -> Plan:
    return make_experiment(settings=(Settings.model_validate({"n_threads": 1} | settings),)).plan


def test_an_engine_on_a_graphics_card_is_not_set_beside_a_server_without_one() -> None:
    without = WheelProgram("1", gpus=())
    with pytest.raises(UsageError, match=r"computes on CUDA0 and .*has no graphics card"):
        servers_of(plan_of(), {}, without, ON_GPU)
    on_cpu = servers_of(plan_of(n_gpu_layers=0), {}, without, ON_GPU)
    assert on_cpu
    unknown = servers_of(plan_of(), {}, WheelProgram("1"), ON_GPU)
    assert unknown
    assert unknown.settings.n_gpu_layers == -1


def test_a_server_with_a_graphics_card_leaves_it_beside_an_engine_without() -> None:
    binary = BinaryProgram(Path("llama-server"), frozenset({"--device"}), None, ("Vulkan0",))
    found = servers_of(plan_of(), {}, binary, ON_CPU)
    assert found
    assert (found.settings.n_gpu_layers, found.settings.devices) == (0, ("none",))
    plain = servers_of(plan_of(), {}, WHEEL, ON_CPU)
    assert plain
    assert (plain.settings.n_gpu_layers, plain.settings.devices) == (0, ())


def servers(path: Path) -> Servers:
    return Servers(WHEEL, SETTINGS[0], {"tiny": path})


def test_a_server_is_there_for_one_run_and_gone_after_it(tiny_model: Path, tmp_path: Path) -> None:
    (model,) = served_twins([FILE], WHEEL, SETTINGS, ("chat",))
    seen: list[Running] = []

    def measured(running: Running) -> MeasureReport:
        seen.append(running)
        return MeasureReport()

    log = tmp_path / "run.server.log"
    report = servers(tiny_model).behind(model.served, log, measured)
    assert report.outcome.status == "ok"
    assert seen[0].served.url.startswith("http://127.0.0.1:")
    assert seen[0].ready_ns > 0
    assert log.exists()
    assert status_of(port_of(seen[0]), "/health") is None


def port_of(running: Running) -> int:
    return urlsplit(running.served.url).port or 0


def test_a_server_that_does_not_come_up_is_a_failed_run(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(100))
    (model,) = served_twins([FILE], WHEEL, SETTINGS, ("chat",))
    report = servers(broken).behind(
        model.served, tmp_path / "log", lambda _: pytest.fail("it was asked")
    )
    assert (report.outcome.status, report.outcome.reason) == ("failed", "unreachable")
    assert "bad GGUF version" in (report.outcome.message or "")
    assert report.outcome.exit_code == 1
    assert report.outcome.log_tail


def test_a_server_that_dies_in_mid_run_is_its_reason(tiny_model: Path, tmp_path: Path) -> None:
    (model,) = served_twins([FILE], WHEEL, SETTINGS, ("chat",))

    def killed(running: Running) -> MeasureReport:
        listener = listener_at(port_of(running))
        assert listener is not None
        psutil.Process(listener.pid).kill()
        while status_of(port_of(running), "/health") is not None:
            time.sleep(0.01)
        return MeasureReport()

    report = servers(tiny_model).behind(model.served, tmp_path / "log", killed)
    assert (report.outcome.status, report.outcome.reason) == ("failed", "killed")
    assert "while it served" in (report.outcome.message or "")

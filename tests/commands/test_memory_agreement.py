"""
Whether a model fits is one answer, whichever command is asked: a table of models and machines, at
the very byte where the answer changes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from make.memory_reading import watched
from make.records import CPU, GPU, make_experiment, make_machine

from harness.analysis.device_memory import Fits, MemoryCapacity, MemoryNeed, fits
from harness.analysis.verdict import Verdict
from harness.commands.claim import host as claim_host
from harness.commands.claim.table import rows
from harness.commands.fit import fit as fitting
from harness.commands.fit.fit import FitRequest, fit
from harness.commands.models import models as listing
from harness.commands.models.models import CatalogModel, ModelsRequest, find_models
from harness.commands.rehearse.rehearse import RehearseRequest, prepare_rehearsal
from harness.errors import HarnessError
from harness.measure import bandwidth_here, catalog_needs, memory, session
from harness.measure import fitting as fits_of_models
from harness.measure.catalog_needs import CatalogNeeds
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, plan_memory
from harness.measure.memory import planned_need
from harness.measure.predictions import predict
from harness.measure.session import MeasureRequest
from harness.models.catalog.catalog import load_catalog
from harness.models.find import find
from harness.models.model import Model
from harness.models.twin.stub import header_stub
from harness.schema.machine import Device, Machine
from harness.schema.prediction import Refusal
from harness.schema.settings import Settings

CATALOG = load_catalog()
# Plain, with windows, and a mixture.
MODELS = ("qwen3-0.6b:Q8_0", "gemma-3-4b-it:Q4_K_M", "gpt-oss-20b:MXFP4")
WORKLOAD = "tg1@d4095"  # takes 4,096 positions
CONTEXT = 4096


@dataclass(frozen=True)
class FakeMachine:
    """The machine at hand, and on which device the engine lays a model there."""

    machine: Machine
    free_bytes: int
    devices: tuple[Device, ...]
    device: str

    @property
    def capacity(self) -> MemoryCapacity:
        return memory.capacity_of(self.machine, self.free_bytes, self.devices)


def plain(free: int, total: int) -> FakeMachine:
    return FakeMachine(make_machine(memory_bytes=total), free, (CPU,), "CPU")


def with_card(free: int, total: int) -> FakeMachine:
    """A card with so much memory beside 1 GiB of the system's."""
    card = GPU.model_copy(update={"free_bytes": free, "total_bytes": total})
    return FakeMachine(make_machine(memory_bytes=2 << 30), 1 << 30, (card, CPU), "CUDA0")


def mac(free: int, total: int) -> FakeMachine:
    """Metal may have so much of a memory that has more."""
    metal = GPU.model_copy(update={"name": "MTL0", "free_bytes": free, "total_bytes": free})
    machine = make_machine(memory_bytes=total, gpu_limit_bytes=free)
    return FakeMachine(machine, total, (metal, CPU), "MTL0")


@pytest.fixture(scope="module")
def plans() -> dict[str, MemoryPlan]:
    """What the engine here plans of each, for a CPU."""
    found: dict[str, MemoryPlan] = {}
    for key in MODELS:
        model = find(key, CATALOG, asks_hub=False)
        with header_stub(model) as path:
            request = ContextRequest(n_ctx=CONTEXT)
            found[model.file.key] = plan_memory(
                path, model.headers, Settings(n_threads=1), [request]
            )
    return found


def moved(plan: MemoryPlan, to: FakeMachine) -> MemoryPlan:
    """The same plan on another machine's device."""
    assert plan.engine is not None
    buffers = tuple(
        buffer.model_copy(update={"device": to.device}) for buffer in plan.contexts[0].buffers
    )
    return replace(
        plan,
        engine=plan.engine.model_copy(update={"devices": to.devices}),
        weights={to.device: plan.weights_bytes},
        contexts=(plan.contexts[0].model_copy(update={"buffers": buffers}),),
    )


@pytest.fixture
def on(
    monkeypatch: pytest.MonkeyPatch, plans: dict[str, MemoryPlan], tmp_path: Path
) -> Callable[[FakeMachine, Model], None]:
    """Makes the commands believe that they are on a machine, asked about one model."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))

    def pretend(there: FakeMachine, model: Model) -> None:
        plan = moved(plans[model.key], there)
        engine = plan.engine
        for module in (fitting, listing, claim_host, session):
            monkeypatch.setattr(module, "probe_machine", lambda: there.machine)
        for module in (listing, claim_host):
            monkeypatch.setattr(module, "describe_engine", lambda: engine)
        for module in (memory, fits_of_models):
            monkeypatch.setattr(module, "plan_memory", lambda *_, **__: plan)
        monkeypatch.setattr(catalog_needs, "plan_each", lambda wanted, _: [plan for _ in wanted])
        monkeypatch.setattr(memory, "available_memory_bytes", lambda: there.free_bytes)
        monkeypatch.setattr(bandwidth_here, "watched_bandwidth", lambda *_: watched(30))

    return pretend


def by_fit(model: Model) -> tuple[Fits | None, bool]:
    """What `fit` says, and whether its speeds are held back because the model would page."""
    request = FitRequest((model.key,), False, (CONTEXT,), (("f16", "f16"),), {}, Path("none"))
    ((fitted, speeds),) = fit(request, CATALOG, lambda _: None).fits
    refusals = [it.figure.reason for it in speeds if isinstance(it.figure, Refusal)]
    is_held_back = any("would page" in reason for reason in refusals)
    if is_held_back:
        assert len(speeds) == 4
        assert [(it.value, it.bound) for it in speeds] == [(None, "")] * 4
    return fitted.contexts[0].fits, is_held_back


def by_models(model: Model) -> bool | None:
    request = ModelsRequest(model.key.partition(":")[0], True, None, None, None, False)
    found = find_models(request, CATALOG, lambda _: None)
    assert isinstance(found, CatalogModel)
    return next(
        it.fits for it in found.row.variants if it.variant.quantization == model.file.quantization
    )


def by_claim(model: Model) -> bool:
    """Whether the verdict on this variant is another than that it does not run."""
    assert model.spec is not None
    assert model.variant is not None
    spec = model.spec.model_copy(update={"variants": (model.variant,)})
    at = claim_host.look_here().host
    (row,) = rows([spec], [at], CatalogNeeds(CATALOG, at.host.capacity), {})
    (cell,) = row.cells
    if isinstance(cell.verdict, Verdict) and cell.verdict.level == "does-not-run":
        assert cell.verdict.decode is None
        return False
    return True


def by_run(model: Model, there: FakeMachine) -> str | None:
    """The warning before a measurement."""
    made = make_experiment((WORKLOAD,), models=(model.file,), machine=there.machine)
    with header_stub(model) as path:
        found = predict(made, {model.key: path})
    why = found.shortages.get(model.key)
    rates = [it for it in found.experiment.predictions if it.component == "tok_per_s"]
    assert not (why and rates)
    return why


def by_rehearse(model: Model) -> bool:
    """Whether it is let begin."""
    measure = MeasureRequest((WORKLOAD,), {}, 1, 1, 0, 1, Path("none"))
    request = RehearseRequest((model.key,), measure, Path("none"), False, False, asks_hub=False)
    try:
        prepare_rehearsal(request, CATALOG, lambda _: None)
    except HarnessError:
        return False
    return True


def machines(n_bytes: int) -> dict[str, FakeMachine]:
    """Machines around a need of so many bytes."""
    return {
        "fits to the byte": plain(n_bytes, n_bytes),
        "a byte short now": plain(n_bytes - 1, n_bytes),
        "a byte short": plain(n_bytes - 1, n_bytes - 1),
        "far too small": plain(n_bytes // 4, n_bytes // 3),
        "roomy": plain(8 * n_bytes, 9 * n_bytes),
        "card to the byte": with_card(n_bytes, n_bytes),
        "card short now": with_card(n_bytes - 1, n_bytes),
        "card short": with_card(n_bytes - 1, n_bytes - 1),
        "card far too small": with_card(n_bytes // 8, n_bytes // 8),
        "mac to the byte": mac(n_bytes, n_bytes + 1),
        "mac short": mac(n_bytes - 1, n_bytes + 1),
    }


CASES = tuple(machines(1 << 20))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("key", MODELS)
def test_all_commands_say_the_same_of_a_model_on_a_machine(
    key: str, case: str, plans: dict[str, MemoryPlan], on: Callable[[FakeMachine, Model], None]
) -> None:
    model = find(key, CATALOG, asks_hub=False)
    n_bytes = planned_need(plans[model.key], plans[model.key].contexts[0]).n_bytes
    there = machines(n_bytes)[case]
    plan = moved(plans[model.key], there)
    need: MemoryNeed = planned_need(plan, plan.contexts[0])
    answer = fits(need, there.capacity)
    on(there, model)

    said, is_held_back = by_fit(model)
    assert said == answer
    assert by_models(model) == (answer in ("yes", "split"))
    assert by_claim(model) == (answer in ("yes", "split"))
    assert (by_run(model, there) is None) == (answer == "yes")
    assert by_rehearse(model) == (fits(need, there.capacity.idle) != "no")
    if there.device == "CPU":
        assert is_held_back == (answer != "yes")

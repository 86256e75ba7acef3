from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from make.records import GPU, SETTINGS, make_end, make_experiment, make_machine, make_model, run_of
from make.trials import make_trial

from harness.analysis.device_memory import MemoryCapacity
from harness.analysis.speed.chips import CHIPS
from harness.analysis.speed.hardware_class import cpu_speed, speed_of_chip
from harness.analysis.verdict_predicted import Host
from harness.commands.claim.conclusion import HERE, Cell, Row
from harness.commands.claim.stored import StoredVerdicts, measured_here
from harness.commands.claim.table import NamedHost, reference_host, rows
from harness.measure.catalog_needs import CatalogNeeds
from harness.measure.jobs.plan import ContextRequest, MemoryPlan, PlannedContext
from harness.models.catalog.catalog import Catalog, load_catalog
from harness.models.catalog.reference_machines import load_reference_machines
from harness.models.catalog.spec import HubSource, ModelSpec, Parameters, Shape, Variant
from harness.records.store import ExperimentWriter
from harness.schema.experiment import Trial
from harness.schema.model import ModelFile
from harness.schema.outcome import Outcome
from harness.schema.planned import PlannedBuffer
from harness.schema.settings import Settings
from harness.schema.work import Attention, Work

GIB = 1 << 30
CATALOG = load_catalog()
SHAPE = Shape(
    n_layer=32, n_embd=4096, n_head=32, n_head_kv=8, head_dim=128, n_ff=12288, n_vocab=150_000,
    tied_embeddings=False,
)  # fmt: skip
HUB = HubSource(kind="hub", repo="owner/repo")


def variant(quantization: str, gib: float | None) -> Variant:
    n_bytes = None if gib is None else int(gib * GIB)
    return Variant(quantization=quantization, approx_bytes=n_bytes, source=HUB)


def spec_of(*variants: Variant, billions: float | None = 8, **changes: Any) -> ModelSpec:
    n_params = int(billions * 1e9) if billions else None
    facts: dict[str, Any] = {
        "name": "m",
        "lab": "Lab",
        "country": "US",
        "licence": "MIT",
        "parameters": Parameters(total=n_params, active=n_params),
        "shape": SHAPE,
        "variants": variants,
    }
    return ModelSpec(**(facts | changes))


def capacity_of(gib: float, slow_gib: float = 0) -> MemoryCapacity:
    """All of it free; with `slow_gib` the first is a card's."""
    usable, slow = int(gib * GIB), int(slow_gib * GIB)
    if not slow:
        return MemoryCapacity(usable, usable)
    card = GPU.model_copy(update={"free_bytes": usable, "total_bytes": usable})
    return MemoryCapacity(slow, slow, devices=(card,))


def host(gib: float, slow_gib: float = 0, name: str = "box") -> NamedHost:
    speed = speed_of_chip(CHIPS["M4 Max 40c"])
    slow = (50e9, cpu_speed(50e9)) if slow_gib else (0.0, None)
    return NamedHost(name, name, True, Host(capacity_of(gib, slow_gib), speed, *slow))


def work_of_variant(spec: ModelSpec, variant: Variant) -> Work | None:
    """A dense model of SHAPE: a token reads all weights but the embedding table."""
    if spec.shape is None or variant.size_bytes is None:
        return None
    attention = Attention(
        n_layer=32,
        n_key_elements=8 * 128,
        n_value_elements=8 * 128,
        n_head=32,
        head_key_length=128,
        head_value_length=128,
    )
    n_multiplied = 6_771_200_000  # of 8 billion, less two tables of 150,000 rows
    return Work(
        architecture="llama",
        weights_bytes=variant.size_bytes,
        token_read_bytes=int(variant.size_bytes * 7.3856 / 8),
        expert_read_bytes=0,
        expert_bytes=0,
        n_params_multiplied=n_multiplied,
        type_params={"Q4_K": n_multiplied},
        n_blocks=32,
        attention=(attention,),
    )


@dataclass
class MadeNeeds(CatalogNeeds):
    """Of variants that no file describes; `planned_bytes` is what the engine lays out for all."""

    catalog: Catalog = CATALOG
    planned_bytes: int | None = None
    layout_bytes: int | None = None
    n_plans: int = 0

    def work(self, spec: ModelSpec, variant: Variant) -> Work | None:
        sized = variant if variant.size_bytes else THREE.variants[0]
        return work_of_variant(spec, sized)

    def size_bytes(self, spec: ModelSpec, variant: Variant) -> int | None:
        return variant.size_bytes or self.layout_bytes

    def _plan(self, spec: ModelSpec, variant: Variant) -> MemoryPlan | None:
        self.n_plans += 1
        if self.planned_bytes is None:
            return None
        request = ContextRequest(n_ctx=4096)
        buffers = (PlannedBuffer(device="CPU", kind="kv", n_bytes=self.planned_bytes),)
        context = PlannedContext(request=request, n_ctx=4096, buffers=buffers)
        return MemoryPlan(Outcome(status="ok"), contexts=(context,))


def cell_of(spec: ModelSpec, at: NamedHost, needs: CatalogNeeds | None = None) -> Cell:
    (row,) = rows([spec], [at], needs or MadeNeeds(), {})
    (cell,) = row.cells
    return cell


def level_of(cell: Cell) -> str | None:
    return cell.verdict.level if cell.verdict else None


THREE = spec_of(variant("Q4_K_M", 4.7), variant("Q2_K", 3), variant("Q8_0", 8), variant("Q3_K", 4))


@pytest.mark.parametrize(
    ("gib", "quantization", "is_usual", "level"),
    [
        (32, "Q4_K_M", True, "comfortable"),  # not the larger Q8_0, although that fits
        (6, "Q4_K_M", True, "comfortable"),
        (5.2, "Q3_K", False, "comfortable"),  # the largest of those that fit
        (4.2, "Q2_K", False, "comfortable"),
        (2, "Q2_K", True, "does-not-run"),
    ],
)
def test_the_usual_variant_is_judged_if_it_fits_else_the_largest_that_does(
    gib: float, quantization: str, is_usual: bool, level: str
) -> None:
    cell = cell_of(THREE, host(gib))

    assert (cell.variant, level_of(cell)) == (quantization, level)
    assert cell.is_usual_variant == (quantization == "Q4_K_M")
    assert is_usual or not cell.is_usual_variant


def test_fast_memory_comes_before_slow_memory() -> None:
    cell = cell_of(THREE, host(4.2, slow_gib=30))
    assert cell.variant == "Q2_K"
    split = cell_of(THREE, host(2, slow_gib=30))
    assert split.variant == "Q4_K_M"
    assert split.verdict is not None
    assert split.verdict.decode is not None
    low, high = split.verdict.decode.bounds
    assert low < high


def test_what_is_missing_is_that_of_the_smallest_variant() -> None:
    cell = cell_of(THREE, host(2))

    assert cell.verdict is not None
    assert cell.verdict.short_bytes is not None
    # 3 GiB of weights, 0.5 GiB of cache, 0.35 GiB of buffers.
    assert cell.verdict.short_bytes == pytest.approx(1.9 * GIB, rel=0.05)


def test_planned_memory_takes_the_place_of_an_estimate_that_is_close() -> None:
    # 3 GiB of weights, 0.5 GiB of cache, 0.35 GiB of buffers: about 3.9 GiB are estimated.
    smallest = spec_of(variant("Q2_K", 3))
    need = cell_of(smallest, host(3.8)).verdict
    planned = cell_of(smallest, host(3.8), MadeNeeds(planned_bytes=5 * GIB)).verdict

    assert need is not None
    assert planned is not None
    assert need.short_bytes is not None
    assert planned.short_bytes == pytest.approx(8 * GIB - 3.8 * GIB, abs=2)


@pytest.mark.parametrize(
    ("gib", "slow_gib", "is_close"), [(2, 0, False), (32, 0, False), (5.6, 0, True), (0.6, 5, True)]
)
def test_only_models_near_a_limit_are_planned(gib: float, slow_gib: float, is_close: bool) -> None:
    needs = MadeNeeds()
    cell_of(THREE, host(gib, slow_gib), needs)
    assert (needs.n_plans > 0) == is_close


def test_a_model_without_known_size_is_only_too_large_or_unknown() -> None:
    nameless = spec_of(variant("Q4_K_M", None), billions=500)

    cell = cell_of(nameless, host(512))
    assert (level_of(cell), cell.reason) == (None, "nobody knows the size of its file")
    # 500 billion weights of 1.56 bits take 91 GiB.
    assert level_of(cell_of(nameless, host(90))) == "does-not-run"
    assert level_of(cell_of(spec_of(billions=500), host(90))) == "does-not-run"
    assert level_of(cell_of(spec_of(billions=None), host(1))) is None


def test_a_size_that_nobody_published_is_what_the_shape_comes_to_give_or_take() -> None:
    nameless = spec_of(variant("Q4_K_M", None))
    needs = MadeNeeds(layout_bytes=10 * GIB)
    (row,) = rows([nameless], [host(32)], needs, {})
    assert (row.size_bytes, row.is_size_estimated) == (10 * GIB, True)
    assert level_of(row.cells[0]) == "comfortable"
    # 0.8 GiB are as unsure as those 10 GiB by a twelfth of them: both fit and do not, perhaps.
    limits = [cell_of(nameless, host(gib), needs).verdict for gib in (9.8, 10.5, 12.2)]
    assert [verdict.level for verdict in limits if verdict] == ["does-not-run"] * 2 + [
        "comfortable"
    ]
    assert [verdict.is_borderline for verdict in limits if verdict] == [False, True, False]

    (published,) = rows([THREE], [host(32)], needs, {})
    assert not published.is_size_estimated


def test_a_model_without_a_shape_is_judged_by_its_size_alone() -> None:
    shapeless = spec_of(variant("Q4_K_M", 14), shape=None)

    assert level_of(cell_of(shapeless, host(8))) == "does-not-run"
    cell = cell_of(shapeless, host(32))
    assert level_of(cell) is None
    assert cell.reason.startswith("it fits in memory; ")


# ------------------------------------------------------------------ the whole catalogue


@pytest.fixture(scope="module")
def table() -> tuple[Row, ...]:
    """Every model of the catalogue on every reference machine."""
    hosts = [reference_host(machine) for machine in load_reference_machines()]
    return tuple(rows(CATALOG.models, hosts, CatalogNeeds(CATALOG), {}))


def test_every_model_of_the_catalogue_is_judged_on_every_machine(table: tuple[Row, ...]) -> None:
    assert [row.model for row in table] == [spec.name for spec in CATALOG.models]
    assert all(len(row.cells) == len(load_reference_machines()) for row in table)
    cells = [cell for row in table for cell in row.cells]
    assert all((cell.verdict is None) == bool(cell.reason) for cell in cells)
    assert sum(cell.verdict is not None for cell in cells) > 0.6 * len(cells)
    assert {level_of(cell) for cell in cells} >= {"comfortable", "usable", "slow", "does-not-run"}


def test_the_claims_own_models_come_out_as_their_size_demands(table: tuple[Row, ...]) -> None:
    of = {row.model: row for row in table}

    def level(model: str, machine: str) -> str | None:
        cell = of[model].cell(machine)
        assert cell is not None
        return level_of(cell)

    assert level("gpt-oss-120b", "laptop-32") == "does-not-run"  # 63 GB
    assert level("gpt-oss-120b", "macbook-64") == "does-not-run"
    assert level("gpt-oss-120b", "studio-96") == "comfortable"
    assert level("gpt-oss-20b", "macbook-64") == "comfortable"
    assert level("deepseek-r1-671b", "studio-192") == "does-not-run"  # 404 GB
    assert level("kimi-k3", "studio-512") == "does-not-run"  # 2.8 T parameters


def test_the_engine_plans_what_is_near_a_limit_much_as_it_was_estimated() -> None:
    spec = CATALOG.spec("qwen3-0.6b")
    smallest = min(spec.variants, key=lambda it: it.size_bytes or 0)
    needs = CatalogNeeds(CATALOG)
    far = needs.need(spec, smallest, MemoryCapacity(GIB // 100, GIB // 100))
    assert far is not None
    assert far.figure.source == "estimated from the shape"
    # A limit just at what it is estimated to need.
    near = MemoryCapacity(far.n_bytes, far.n_bytes)
    planned = needs.need(spec, smallest, near)
    assert planned is not None
    assert planned.figure.source == "planned by the engine"
    size = smallest.size_bytes or 0
    assert planned.n_bytes - size == pytest.approx(far.n_bytes - size, rel=0.1)
    # Where it would run, it is planned as it is, and by device.
    here = CatalogNeeds(CATALOG, near).need(spec, smallest, near)
    assert here is not None
    assert here.figure.is_exact
    assert sum(here.by_device.values()) == here.n_bytes == pytest.approx(planned.n_bytes, rel=0.02)


# ------------------------------------------------------------------ what was measured here


def stored(
    folder: Path,
    rate: float = 50.0,
    *,
    id: str = "k7f3q9",
    started_at: str = "2026-11-23T17:54:00+00:00",
    machine_id: str = "3f2a91c04d",
    model: ModelFile | None = None,
    settings: Settings = SETTINGS,
) -> None:
    model = model or make_model(sha256=None)
    trials: list[Trial] = [make_trial("tg128@d4096", rate), make_trial("pp1024", 2000.0)]
    experiment = make_experiment(
        ("tg128@d4096", "pp1024"),
        id=id,
        started_at=started_at,
        models=(model,),
        machine=make_machine(id=machine_id),
        settings=(settings,),
    )
    with ExperimentWriter(folder, experiment) as writer:
        writer.append_run(run_of(*trials, model=model.key, settings=settings))
        writer.finish(make_end(1))


def here(folder: Path) -> StoredVerdicts:
    return measured_here(folder, make_machine(), CATALOG)


def rate_of(measured: StoredVerdicts, name: str = "smollm2-135m") -> float:
    verdict = measured.cells[name].verdict
    assert verdict is not None
    assert verdict.decode is not None
    return round(verdict.decode.value)


def test_the_newest_experiment_of_this_machine_counts(tmp_path: Path) -> None:
    stored(tmp_path, 50.0, id="old111", started_at="2026-11-20T10:00:00+00:00")
    stored(tmp_path, 30.0, id="new222", started_at="2026-11-22T10:00:00+00:00")
    stored(
        tmp_path, 99.0, id="els333", started_at="2026-11-23T10:00:00+00:00", machine_id="another"
    )

    measured = here(tmp_path)
    assert rate_of(measured) == 30
    assert measured.cells["smollm2-135m"].variant == "Q4_1"
    assert measured.cells["smollm2-135m"].machine == HERE
    assert measured.problems == []


def test_a_quantization_that_was_made_here_counts_for_its_model(tmp_path: Path) -> None:
    made = make_model(key="smollm2-135m:Q3_K_M", quantization="Q3_K_M", sha256="b" * 64)
    stored(tmp_path, 40.0, model=made)
    measured = here(tmp_path)
    assert (rate_of(measured), measured.cells["smollm2-135m"].variant) == (40, "Q3_K_M")
    stored(tmp_path / "usual", 30.0)
    # Ollama's word behind the colon is no quantization of the model before it.
    other = make_model(key="deepseek-r1:7b", quantization="Q4_K_M", sha256="c" * 64)
    stored(tmp_path / "other", 40.0, model=other)
    assert "deepseek-r1-671b" not in here(tmp_path / "other").cells


def test_trying_slower_settings_takes_nothing_back(tmp_path: Path) -> None:
    slower = Settings(n_threads=2, n_cpu_moe=12)
    stored(tmp_path, 50.0, id="plain1", started_at="2026-11-20T10:00:00+00:00")
    stored(tmp_path, 25.0, id="slow22", started_at="2026-11-22T10:00:00+00:00", settings=slower)
    assert rate_of(here(tmp_path)) == 50
    stored(tmp_path, 15.0, id="plain3", started_at="2026-11-23T10:00:00+00:00")

    assert rate_of(here(tmp_path)) == 25  # the plain settings are slower by now


def test_a_rehearsal_never_takes_the_place_of_a_measurement(tmp_path: Path) -> None:
    twin = make_model(sha256=None, is_twin=True)
    stored(tmp_path, 40.0, id="twin11", started_at="2026-11-20T10:00:00+00:00", model=twin)
    assert rate_of(here(tmp_path)) == 40
    stored(tmp_path, 50.0, id="real22", started_at="2026-11-21T10:00:00+00:00")
    stored(tmp_path, 60.0, id="twin33", started_at="2026-11-22T10:00:00+00:00", model=twin)

    assert rate_of(here(tmp_path)) == 50


def test_the_usual_variant_comes_before_a_newer_other_one(tmp_path: Path) -> None:
    other = make_model(key="smollm2-135m:Q8_0", quantization="Q8_0", sha256=None)
    stored(tmp_path, 40.0, id="other1", started_at="2026-11-22T10:00:00+00:00", model=other)
    assert not here(tmp_path).cells["smollm2-135m"].is_usual_variant
    stored(tmp_path, 50.0, id="usual2", started_at="2026-11-20T10:00:00+00:00")

    assert rate_of(here(tmp_path)) == 50


def test_a_file_is_known_by_its_content_whatever_it_is_called(tmp_path: Path) -> None:
    entry = CATALOG.find("gpt-oss-20b")
    stored(tmp_path, model=make_model(key="my.gguf", sha256=entry.variant.sha256))
    stored(tmp_path, id="other1", model=make_model(key="other.gguf", sha256="00" * 32))

    assert set(here(tmp_path).cells) == {"gpt-oss-20b"}


def test_a_damaged_file_is_told_and_the_others_count(tmp_path: Path) -> None:
    stored(tmp_path)
    (tmp_path / "broken.jsonl").write_text("{")

    measured = here(tmp_path)
    assert set(measured.cells) == {"smollm2-135m"}
    assert len(measured.problems) == 1
    assert "broken.jsonl" in measured.problems[0]


def test_what_was_measured_takes_the_place_of_what_was_predicted(tmp_path: Path) -> None:
    stored(tmp_path, 7.0)
    specs = [CATALOG.spec("smollm2-135m"), CATALOG.spec("qwen3-0.6b")]
    hosts = [host(32, name=HERE), host(32, name="laptop-16")]
    table = rows(specs, hosts, MadeNeeds(), here(tmp_path).cells)

    def evidence(row: Row) -> list[str]:
        return [cell.verdict.evidence for cell in row.cells if cell.verdict]

    assert [evidence(row) for row in table] == [["measured", "predicted"], ["predicted"] * 2]
    assert [level_of(cell) for cell in table[0].cells] == ["usable", "comfortable"]


def test_nothing_measured_of_a_model_that_does_not_write_counts(tmp_path: Path) -> None:
    stored(tmp_path, model=make_model(sha256=None, architecture="bert"))
    assert here(tmp_path).cells == {}


def test_what_the_catalogue_calls_an_encoder_is_one() -> None:
    needs = CatalogNeeds(CATALOG)
    assert needs.kind(spec_of(architecture="bert")) == "embeds"
    assert needs.kind(spec_of(architecture="llama")) == "generates"
    assert needs.kind(CATALOG.spec("gpt-oss-20b")) == "generates"

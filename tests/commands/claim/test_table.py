from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from make.records import SETTINGS, make_end, make_experiment, make_machine, make_model, run_of
from make.trials import make_trial

from harness.analysis.speed.chips import CHIPS
from harness.analysis.speed.hardware_class import cpu_speed, speed_of_chip
from harness.analysis.verdict_predicted import DECODE, Place
from harness.commands.claim.conclusion import HERE, Cell, Row
from harness.commands.claim.requirements import requirements_of
from harness.commands.claim.stored import StoredVerdicts, measured_here
from harness.commands.claim.table import Requirements, Site, is_close, reference_site, rows
from harness.models.catalog.catalog import load_catalog
from harness.models.catalog.reference_machines import load_reference_machines
from harness.models.catalog.spec import HubSource, ModelSpec, Parameters, Shape, Variant
from harness.records.store import ExperimentWriter
from harness.schema.experiment import ModelFile, Trial
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


def site(gib: float, slow_gib: float = 0, name: str = "box") -> Site:
    speed = speed_of_chip(CHIPS["M4 Max 40c"])
    slow = (int(slow_gib * GIB), 50e9, cpu_speed(50e9)) if slow_gib else (0, 0.0, None)
    return Site(name, name, True, Place(int(gib * GIB), speed, *slow))


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


ESTIMATED = Requirements(work_of_variant, {})


def cell_of(spec: ModelSpec, at: Site, requirements: Requirements = ESTIMATED) -> Cell:
    (row,) = rows([spec], [at], requirements, {})
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
    cell = cell_of(THREE, site(gib))

    assert (cell.variant, level_of(cell)) == (quantization, level)
    assert cell.is_usual_variant == (quantization == "Q4_K_M")
    assert is_usual or not cell.is_usual_variant


def test_fast_memory_comes_before_slow_memory() -> None:
    cell = cell_of(THREE, site(4.2, slow_gib=30))
    assert cell.variant == "Q2_K"
    split = cell_of(THREE, site(2, slow_gib=30))
    assert split.variant == "Q4_K_M"
    assert split.verdict is not None
    assert split.verdict.decode is not None
    low, high = split.verdict.decode.bounds
    assert low < high


def test_what_is_missing_is_that_of_the_smallest_variant() -> None:
    cell = cell_of(THREE, site(2))

    assert cell.verdict is not None
    assert cell.verdict.short_bytes is not None
    # 3 GiB of weights, 0.5 GiB of cache, 0.35 GiB of buffers.
    assert cell.verdict.short_bytes == pytest.approx(1.9 * GIB, rel=0.05)


def test_planned_memory_takes_the_place_of_the_estimate() -> None:
    need = cell_of(THREE, site(2)).verdict
    planned = cell_of(THREE, site(2), Requirements(work_of_variant, {"m": 5 * GIB})).verdict

    assert need is not None
    assert planned is not None
    assert need.short_bytes is not None
    assert planned.short_bytes == 6 * GIB


def test_only_models_near_a_limit_are_worth_planning() -> None:
    assert not is_close(THREE, [site(2)], ESTIMATED)
    assert not is_close(THREE, [site(32)], ESTIMATED)
    assert is_close(THREE, [site(32), site(5.6)], ESTIMATED)
    assert is_close(THREE, [site(0.6, slow_gib=5)], ESTIMATED)


def test_a_model_without_known_size_is_only_too_large_or_unknown() -> None:
    nameless = spec_of(variant("Q4_K_M", None), billions=500)

    cell = cell_of(nameless, site(512))
    assert (level_of(cell), cell.reason) == (None, "nobody knows the size of its file")
    # 500 billion weights of 1.56 bits take 91 GiB.
    assert level_of(cell_of(nameless, site(90))) == "does-not-run"
    assert level_of(cell_of(spec_of(billions=500), site(90))) == "does-not-run"
    assert level_of(cell_of(spec_of(billions=None), site(1))) is None


def test_a_size_that_nobody_published_is_what_the_shape_comes_to_give_or_take() -> None:
    nameless = spec_of(variant("Q4_K_M", None))
    work = work_of_variant(THREE, THREE.variants[0])
    requirements = Requirements(lambda _, __: work, {}, {"m:Q4_K_M": 10 * GIB})
    (row,) = rows([nameless], [site(32)], requirements, {})
    assert (row.size_bytes, row.is_size_estimated) == (10 * GIB, True)
    assert level_of(row.cells[0]) == "comfortable"
    # 0.8 GiB are as unsure as those 10 GiB by a twelfth of them: both fit and do not, perhaps.
    limits = [cell_of(nameless, site(gib), requirements).verdict for gib in (9.8, 10.5, 12.2)]
    assert [verdict.level for verdict in limits if verdict] == ["does-not-run"] * 2 + [
        "comfortable"
    ]
    assert [verdict.is_borderline for verdict in limits if verdict] == [False, True, False]

    (published,) = rows([THREE], [site(32)], requirements, {})
    assert not published.is_size_estimated


def test_a_model_without_a_shape_is_judged_by_its_size_alone() -> None:
    shapeless = spec_of(variant("Q4_K_M", 14), shape=None)

    assert level_of(cell_of(shapeless, site(8))) == "does-not-run"
    cell = cell_of(shapeless, site(32))
    assert level_of(cell) is None
    assert cell.reason.startswith("it fits in memory; ")


# ------------------------------------------------------------------ the whole catalogue


def test_every_model_of_the_catalogue_is_judged_on_every_machine() -> None:
    sites = [reference_site(machine) for machine in load_reference_machines()]
    table = rows(CATALOG.models, sites, requirements_of(CATALOG, []), {})

    assert [row.model for row in table] == [spec.name for spec in CATALOG.models]
    assert all(len(row.cells) == len(sites) for row in table)
    cells = [cell for row in table for cell in row.cells]
    assert all((cell.verdict is None) == bool(cell.reason) for cell in cells)
    assert sum(cell.verdict is not None for cell in cells) > 0.6 * len(cells)
    assert {level_of(cell) for cell in cells} >= {"comfortable", "usable", "slow", "does-not-run"}


def test_the_claims_own_models_come_out_as_their_size_demands() -> None:
    sites = [reference_site(machine) for machine in load_reference_machines()]
    table = {
        row.model: row for row in rows(CATALOG.models, sites, requirements_of(CATALOG, []), {})
    }

    def level(model: str, machine: str) -> str | None:
        cell = table[model].cell(machine)
        assert cell is not None
        return level_of(cell)

    assert level("gpt-oss-120b", "laptop-32") == "does-not-run"  # 63 GB
    assert level("gpt-oss-120b", "macbook-64") == "does-not-run"
    assert level("gpt-oss-120b", "studio-96") == "comfortable"
    assert level("gpt-oss-20b", "macbook-64") == "comfortable"
    assert level("deepseek-r1-671b", "studio-192") == "does-not-run"  # 404 GB
    assert level("kimi-k3", "studio-512") == "does-not-run"  # 2.8 T parameters


def test_the_engine_plans_what_is_near_a_limit_much_as_it_was_estimated() -> None:
    catalog = CATALOG.model_copy(update={"models": (CATALOG.spec("qwen3-0.6b"),)})
    spec = catalog.models[0]
    (row,) = rows([spec], [site(0.01)], requirements_of(CATALOG, []), {})
    (cell,) = row.cells
    assert cell.verdict is not None
    assert cell.verdict.short_bytes is not None
    # A limit just at what the smallest variant is estimated to need.
    near = site(0.01 + cell.verdict.short_bytes / GIB)

    requirements = requirements_of(catalog, [near])
    assert set(requirements.context_bytes) == {"qwen3-0.6b"}
    found = requirements.works(spec, spec.variants[0])
    assert found is not None
    assert requirements.context_bytes["qwen3-0.6b"] > found.cache_read_bytes(DECODE.n_ctx)
    smallest = min(it.size_bytes or 0 for it in spec.variants)
    estimated = 0.01 * GIB + cell.verdict.short_bytes - smallest
    assert requirements.context_bytes["qwen3-0.6b"] == pytest.approx(estimated, rel=0.1)
    assert requirements_of(catalog, [site(500)]).context_bytes == {}


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
    return measured_here(folder, "3f2a91c04d", CATALOG)


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


def test_what_was_measured_takes_the_place_of_what_was_foretold(tmp_path: Path) -> None:
    stored(tmp_path, 7.0)
    specs = [CATALOG.spec("smollm2-135m"), CATALOG.spec("qwen3-0.6b")]
    sites = [site(32, name=HERE), site(32, name="laptop-16")]
    table = rows(specs, sites, ESTIMATED, here(tmp_path).cells)

    def evidence(row: Row) -> list[str]:
        return [cell.verdict.evidence for cell in row.cells if cell.verdict]

    assert [evidence(row) for row in table] == [["measured", "predicted"], ["predicted"] * 2]
    assert [level_of(cell) for cell in table[0].cells] == ["usable", "comfortable"]

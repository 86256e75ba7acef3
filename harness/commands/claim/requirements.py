"""What the catalogue's models ask of a machine, found out offline: their Work and their memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from harness.analysis.verdict_predicted import DECODE
from harness.commands.claim.table import Requirements, Site, is_close
from harness.errors import HarnessError
from harness.measure.jobs.plan import ContextRequest, plan_memory
from harness.models.catalog.catalog import Catalog, Entry
from harness.models.catalog.spec import ModelSpec, Variant
from harness.models.find import find
from harness.models.model import Model
from harness.models.twin.stub import header_stub
from harness.schema.settings import Settings
from harness.schema.work import Work

# The number of threads changes nothing of what is planned.
_SETTINGS = Settings(n_threads=1)


@dataclass
class _Models:
    """The catalogue's variants, each looked up once."""

    catalog: Catalog
    found: dict[str, Model | None] = field(default_factory=dict)

    def model(self, spec: ModelSpec, variant: Variant) -> Model | None:
        """By its file if that is here, else by its layout; None where neither is to be had."""
        key = Entry(spec, variant).key
        if key not in self.found:
            try:
                self.found[key] = find(key, self.catalog, asks_hub=False)
            except HarnessError:
                self.found[key] = None  # it is judged by its size alone
        return self.found[key]

    def work(self, spec: ModelSpec, variant: Variant) -> Work | None:
        """By the header's tensor table; None without one."""
        model = self.model(spec, variant)
        return model.work if model else None

    def shape_bytes(self) -> dict[str, int]:
        """Of each variant of unpublished size what its header comes to, where there is one."""
        return {
            Entry(spec, variant).key: found.file.n_bytes
            for spec in self.catalog.models
            for variant in spec.variants
            if variant.size_bytes is None and (found := self.model(spec, variant))
        }


def requirements_of(catalog: Catalog, sites: Sequence[Site]) -> Requirements:
    """
    What the models ask for.

    The engine plans the memory of those for which the estimate leaves open whether they fit on
    one of `sites`: planning takes half a second, and for most the answer is clear without.
    """
    models = _Models(catalog)
    estimated = Requirements(models.work, {}, models.shape_bytes())
    planned = {
        spec.name: n_bytes
        for spec in catalog.models
        if is_close(spec, sites, estimated) and (n_bytes := _planned(spec, models)) is not None
    }
    return replace(estimated, context_bytes=planned)


def _planned(spec: ModelSpec, models: _Models) -> int | None:
    """Bytes beside the weights at 4,096 positions; None where the engine cannot plan it."""
    found = models.model(spec, spec.variants[0])
    if found is None:
        return None
    request = ContextRequest(n_ctx=DECODE.n_ctx)
    with header_stub(found) as path:
        plan = plan_memory(path, found.headers, _SETTINGS, [request])
    if not plan.contexts or plan.contexts[0].n_ctx is None:
        return None
    return sum(buffer.n_bytes for buffer in plan.contexts[0].buffers)

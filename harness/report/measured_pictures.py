"""What was measured as pictures, and on what: what the page of one experiment has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.analysis.measured import Measured
from harness.report.depth_page import depth_page
from harness.report.latency_page import itl_page, sustain_page
from harness.report.memory_page import memory_page
from harness.report.page import Facts, Page
from harness.report.picture import Picture
from harness.report.rates_page import rates_page
from harness.report.scope import Scope, moment_text, scopes
from harness.report.serving_page import serving_page
from harness.report.speculation_page import guessing_page
from harness.report.trimmed import believable
from harness.report.turns_page import turns_page
from harness.report.users_page import users_page
from harness.report.verification_page import cost_page

_PAGES: tuple[Callable[[Scope], Page], ...] = (
    rates_page,
    depth_page,
    cost_page,
    guessing_page,
    users_page,
    turns_page,
    serving_page,
    memory_page,
    itl_page,
    sustain_page,
)


def measured_pictures(groups: Sequence[Measured]) -> Page:
    """The machine, the engine and the time; then a picture of whatever `groups` hold."""
    return believable(lambda: (_origin(groups), *_pictures(groups)))


def _origin(groups: Sequence[Measured]) -> Facts:
    experiments = {group.experiment.id: group.experiment for group in groups}.values()
    items = [("Machine", scope.name) for scope in scopes(groups)]
    items += [("Engine", text) for text in dict.fromkeys(it.engine.title for it in groups)]
    items += [("Measured", f"{moment_text(it.started_at)} UTC") for it in experiments]
    return Facts(tuple(items))


def _pictures(groups: Sequence[Measured]) -> list[Picture]:
    """Without the tables beside them, whose figures the page has in one."""
    parts = [part for scope in scopes(groups) for page in _PAGES for part in page(scope)]
    return [part for part in parts if isinstance(part, Picture)]

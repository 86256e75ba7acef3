"""The options for guessing tokens ahead: what guesses, how many at most, and the models of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import click

from harness.commandline import options
from harness.files import OnProgress
from harness.measure.drafts import (
    DRAFT_MAX,
    draft_keys,
    find_drafts,
    refuse_served,
    require_drafting,
    usual_workloads_with,
)
from harness.measure.found import Found
from harness.measure.session import MeasureRequest
from harness.measure.subjects import Subjects
from harness.models.catalog.catalog import Catalog
from harness.schema.settings import NGRAM
from harness.schema.workload_tasks import TASKS


def draft_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """`draft`, names of models or NGRAM, and `draft_max`."""
    draft = click.option(
        "--draft",
        type=options.Listed(
            "list", _named, {NGRAM: "what followed the last tokens before in the text"}
        ),
        default=(),
        metavar=f"MODEL|{NGRAM}",
        help="Measure with and without tokens guessed ahead: by a smaller model of the same "
        f"vocabulary, or by what stood in the text before ({NGRAM}). Default workloads "
        f"then: {TASKS}, and what batches cost. Several: {NGRAM},MODEL.",
    )
    most = click.option(
        "--draft-max",
        type=options.COUNTS,
        default=str(DRAFT_MAX),
        show_default=True,
        help="Guess so many tokens ahead at most, as in 2,4,8.",
    )
    return draft(most(function))


def refuse_drafts(
    draft: Sequence[str], models: Sequence[str], typed: Mapping[str, str], *, also_served: bool
) -> None:
    """
    Nothing, if what is typed of guessing has an effect.

    Args:
        draft: What guesses.
        models: What is measured, as `references` has it.
        typed: As `options.typed` gives it.
        also_served: Whether servers are started too.

    Raises:
        UsageError: It has none.
    """
    if draft:
        refuse_served(models, also_served=also_served)
        return
    why = f"has no effect without --draft; add --draft {NGRAM}, or a model"
    options.refuse_unused(typed, ("draft_max",), why)


def with_drafts(
    request: MeasureRequest, models: Subjects, catalog: Catalog, on_progress: OnProgress
) -> Found:
    """
    What is to be measured, with what guesses for it where the request names such.

    Args:
        request: Its `drafts` are names as they are typed.
        models: What is measured.
        catalog: Whose names are known.
        on_progress: Told of what is fetched or hashed.

    Raises:
        UsageError: A draft cannot guess for what is measured, or in none of the workloads.
        HarnessError: A draft is not found or cannot be fetched.
    """
    drafts = find_drafts(request.drafts, catalog, on_progress)
    if request.drafts:
        workloads = request.workloads or usual_workloads_with(request.draft_max)
        keys = draft_keys(request.drafts, drafts)
        request = replace(request, drafts=keys, workloads=workloads)
        require_drafting(models, drafts, workloads)
    return Found(request, models, drafts)


def _named(text: str) -> str:
    if not text:
        raise ValueError(f"a draft is missing; write {NGRAM}, or a model")
    return NGRAM if text.lower() == NGRAM else text

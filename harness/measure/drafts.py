"""What is to guess tokens ahead: found by its names, and refused where it cannot."""

from __future__ import annotations

from collections.abc import Sequence

from harness import units
from harness.analysis.speculation import batch_workloads
from harness.errors import UsageError
from harness.files import OnProgress
from harness.measure.jobs.draft import why_unlike
from harness.measure.subjects import Subjects, find_subjects, is_served
from harness.models.catalog.catalog import Catalog
from harness.schema.model import AnyModel
from harness.schema.model_kind import MODEL_KINDS
from harness.schema.settings import NGRAM
from harness.schema.workload import parse_workload
from harness.schema.workload_tasks import TASK_PROMPTS, TASKS

DRAFT_MAX = 3
"""Tokens guessed ahead where nobody asks for another number: llama.cpp's own --spec-draft-n-max."""


def find_drafts(names: Sequence[str], catalog: Catalog, on_progress: OnProgress) -> Subjects:
    """
    The models among `names`, each a model as every command takes it, or NGRAM.

    Raises:
        UsageError: One is a server's.
        HarnessError: As `find_all`.
    """
    if served := next(filter(is_served, names), None):
        raise UsageError(f"--draft {served} is a server; name a model file, or {NGRAM}")
    return find_subjects([name for name in names if name != NGRAM], catalog, on_progress)


def draft_keys(names: Sequence[str], drafts: Subjects) -> tuple[str, ...]:
    """What settings call each of `names`, in their order."""
    keys = iter(model.key for model in drafts.models)
    return tuple(name if name == NGRAM else next(keys) for name in names)


def usual_workloads_with(most: Sequence[int]) -> tuple[str, ...]:
    """What is measured with guesses up to `most` ahead: all tasks, and what their batches cost."""
    return (*TASK_PROMPTS, *batch_workloads(most))


def refuse_served(models: Sequence[str], *, also_served: bool) -> None:
    """
    Nothing, if none of `models`, by their references, is a server's, nor a server is started.

    Raises:
        UsageError: One is.
    """
    if also_served:
        raise UsageError("--draft is for the engine alone; leave --also-served away, or --draft")
    if served := next(filter(is_served, models), None):
        raise UsageError(
            f"--draft is for the engine here, and {served} guesses with what it was started with; "
            "compare two servers of the same model, one with a draft and one without"
        )


def require_drafting(models: Subjects, drafts: Subjects, workloads: Sequence[str]) -> None:
    """
    Nothing, if each of `models` can be measured with each of `drafts` guessing in `workloads`.

    Raises:
        UsageError: It cannot; the message says why.
        HarnessError: The folder for temporary files cannot be written.
    """
    if not any(parse_workload(name).takes_draft for name in workloads):
        raise UsageError(
            f"--draft is measured in {', '.join(TASK_PROMPTS)}, and {','.join(workloads)} is none "
            f"of them; take --workload {TASKS}, or one of them"
        )
    for draft in drafts.models:
        for model in models.models:
            _require_fitting(model, draft, models, drafts)


def _require_fitting(model: AnyModel, draft: AnyModel, models: Subjects, drafts: Subjects) -> None:
    if draft.kind != "generates":
        raise UsageError(f"{draft.key} is {MODEL_KINDS[draft.kind].text}: it cannot be a draft")
    paths = models.paths[model.key], drafts.paths[draft.key]
    if model.key == draft.key and paths[0].resolve() != paths[1].resolve():
        raise UsageError(
            f"A model and a draft are both called {model.key}: {paths[0]} and {paths[1]}. Rename "
            "one of them."
        )
    own, others = model.token_read_bytes, draft.token_read_bytes
    if own and others and others > own:
        raise UsageError(
            f"The draft {draft.key} reads {units.file_size(others)} for each token and {model.key} "
            f"{units.file_size(own)}: guessing would take longer than writing; name a smaller draft"
        )
    if why := why_unlike(*paths):
        raise UsageError(
            f"{draft.key} cannot guess for {model.key}: {why}; name a draft of the same family"
        )

"""
What `harness run` is asked to measure, and how: options, read where they are typed or on another
machine, and the models that they name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from harness.commandline import options
from harness.commandline.draft_options import draft_options, refuse_drafts, with_drafts
from harness.commandline.endpoint_options import (
    endpoint_options,
    load_options,
    load_search,
    loaded,
    references,
    refuse_of_engine,
)
from harness.commandline.measuring_options import measuring_options
from harness.commandline.serving_options import chosen_server, serving_options
from harness.errors import UsageError
from harness.files import OnProgress
from harness.measure.found import Found
from harness.measure.session import MeasureRequest
from harness.measure.subjects import Subjects, find_subjects
from harness.models.catalog.catalog import Catalog, load_catalog


@dataclass(frozen=True)
class RunWords:
    """
    What the words of a command line ask for, before any model is looked for.

    `models` are references, those of servers as "URL#NAME"; none is the default model. `typed` are
    the parameters that stand there, and how they are written. `also_served` and `server_binary` are
    not in the request yet: which server there is only the machine that measures can tell.
    """

    models: tuple[str, ...]
    catalogs: tuple[Path, ...]
    request: MeasureRequest
    also_served: bool
    server_binary: Path | None
    typed: Mapping[str, str]

    def catalog(self) -> Catalog:
        """Whose names are known."""
        return load_catalog(self.catalogs)


def run_words(function: Callable[..., Any]) -> Callable[..., Any]:
    """
    MODELS, and the options that say what is measured and how; all reach `function` as `words`.

    Raises:
        UsageError: They contradict each other.
    """

    @functools.wraps(function)
    def with_words(
        *arguments: Any,
        models: tuple[str, ...],
        endpoints: tuple[str, ...],
        names: tuple[str, ...],
        key_variable: str | None,
        n_users: tuple[int, ...],
        rates: tuple[float, ...],
        draft: tuple[str, ...],
        draft_max: tuple[int, ...],
        request: MeasureRequest,
        **given: Any,
    ) -> Any:
        models = tuple(references(models, endpoints, names))
        request = replace(request, key_variable=key_variable, slo=given.pop("slo"))
        request = _of_loads(request, n_users, rates, has_servers=bool(endpoints))
        request = replace(request, drafts=draft, draft_max=draft_max if draft else ())
        words = RunWords(
            models=models,
            catalogs=given.pop("catalogs"),
            request=request,
            also_served=given.pop("also_served"),
            server_binary=given.pop("server_binary"),
            typed=options.typed(click.get_current_context()),
        )
        return function(*arguments, words=words, **given)

    decorated: Callable[..., Any] = with_words
    for option in (
        measuring_options,
        draft_options,
        serving_options,
        load_options,
        endpoint_options,
    ):
        decorated = option(decorated)
    return click.argument("models", type=options.MODEL, nargs=-1)(decorated)


def read_words(argv: Sequence[str]) -> RunWords:
    """
    What a line of words for `harness run` asks for.

    Raises:
        UsageError: It is none, or asks for what cannot be.
    """
    try:
        with _COMMAND.make_context("harness run", [*argv]) as context:
            found = _COMMAND.invoke(context)
    except click.UsageError as error:
        raise UsageError(error.format_message().rstrip(".")) from error
    assert isinstance(found, RunWords)
    require_plain(found)
    return found


@click.command("run", add_help_option=False)
@run_words
def _command(words: RunWords) -> RunWords:
    return words


_COMMAND: click.Command = _command


def require_plain(words: RunWords) -> None:
    """
    Nothing, if the words can be those of a plan of its own.

    Raises:
        UsageError: An option has no effect on what they measure.
    """
    refuse_of_engine(words.models, words.typed)
    refuse_drafts(words.request.drafts, words.models, words.typed, also_served=words.also_served)


def find_words(words: RunWords, catalog: Catalog, on_progress: OnProgress) -> Found:
    """
    What the words ask for, with its models, fetched where needed.

    Args:
        words: What is asked for.
        catalog: As `words` has it.
        on_progress: Told of what is fetched or hashed.

    Raises:
        UsageError: An option is for another kind of model.
        HarnessError: A model is not found or cannot be fetched, or a server does not answer.
    """
    server = chosen_server(words.server_binary, also_served=words.also_served)
    request = replace(words.request, also_served=server)
    what = words.models or (catalog.models[0].name,)
    models = find_subjects(what, catalog, on_progress, request.key_variable)
    found = with_drafts(request, models, catalog, on_progress)
    _refuse_slo(words, found.request, models)
    return found


def _of_loads(
    request: MeasureRequest,
    n_users: tuple[int, ...],
    rates: tuple[float, ...],
    *,
    has_servers: bool,
) -> MeasureRequest:
    """The request with what is asked of several users."""
    search = load_search(n_users, rates)
    if search is None and (n_users or rates):
        what = request.workloads or (("chat",) if has_servers else ("tg128",))
        request = replace(request, workloads=loaded(what, n_users, rates))
    return replace(request, search=search)


def _refuse_slo(words: RunWords, request: MeasureRequest, found: Subjects) -> None:
    is_served = request.also_served or any(model.served for model in found.models)
    if "slo" in words.typed and not (is_served or request.search):
        raise UsageError("--slo is for what a server answers: add --endpoint URL, or leave it away")

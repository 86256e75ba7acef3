"""What to type for a stored experiment: it means the same, whatever its models are called."""

from __future__ import annotations

import shlex
from typing import Any

import click
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from make.also_served import make_also_served
from make.loads import SERVED
from make.pages import HOSTILE
from make.records import make_experiment, make_model
from make.settings import SETTINGS

from harness.commands.run.command import command
from harness.report.run_line import to_go_on
from harness.report.text import sanitize
from harness.report.typed_command import command_line, measuring_command
from harness.schema.request import ServiceLevel
from harness.schema.settings import Settings, value_text


@given(st.lists(SETTINGS, min_size=1, max_size=3, unique=True))
@settings(deadline=None, max_examples=50)
def test_run_understands_it_as_the_settings_that_were_measured(sweep: list[Settings]) -> None:
    assume(all(any(it.tensor_split) or not it.tensor_split for it in sweep))
    # A sweep is over the same servers.
    rpc = sweep[0].rpc
    sweep = list(dict.fromkeys(it.model_copy(update={"rpc": rpc}) for it in sweep))
    made = make_experiment(settings=tuple(sweep), n_runs_max=7)
    program, verb, *arguments = shlex.split(measuring_command(made))
    assert (program, verb) == ("harness", "run")
    parsed = command.make_context("run", arguments, resilient_parsing=False).params
    assert parsed["models"] == ("smollm2-135m:Q4_1",)
    assert (parsed["runs"], parsed["trials"]) == (7, 3)
    assert parsed["rpc"] == rpc
    for field in Settings.model_fields.keys() - {"rpc"}:
        wanted = {value_text(getattr(each, field)) for each in sweep} - {"auto"}
        typed = {value_text(value) for value in parsed[field] or ()} - {"auto"}
        if field == "draft_max" and not parsed["draft"]:
            continue  # of which there is a usual one, whether anything guesses or not
        assert typed == wanted, field


@given(st.text(min_size=1) | st.just(HOSTILE) | st.just("; rm -rf ~ $(x) `y` 'z'"))
def test_nothing_of_a_name_is_obeyed_by_a_shell(name: str) -> None:
    dashes = ["--"] if name.startswith("-") else []
    typed = shlex.split(command_line("show", name))
    assert typed == ["harness", "show", *dashes, sanitize(name)]
    made = make_experiment(models=(make_model(key=name),))
    _, _, *arguments = shlex.split(measuring_command(made))
    assert command.make_context("run", arguments).params["models"] == (sanitize(name),)


def test_a_twin_is_rehearsed_and_an_import_is_shown() -> None:
    twin = make_experiment(models=(make_model(is_twin=True),))
    assert measuring_command(twin).startswith("harness rehearse smollm2-135m:Q4_1 ")
    foreign = make_experiment().model_copy(update={"origin": "llama-bench"})
    assert measuring_command(foreign) == "harness show k7f3q9"
    assert isinstance(command, click.Command)


def test_a_server_of_ones_own_is_to_be_named_again() -> None:
    by_wheel, by_binary = make_also_served(), make_also_served(version="4321 (0123abc)")
    assert measuring_command(by_wheel).endswith(" --also-served")
    assert measuring_command(by_binary).endswith(" --also-served --server-binary PATH")
    assert to_go_on(by_wheel).endswith(f": harness run --resume {by_wheel.id}")
    assert to_go_on(by_binary).endswith(f" --resume {by_binary.id} --server-binary PATH")


@given(st.integers(1000, 10**13), st.none() | st.integers(1000, 10**13))
def test_a_search_for_the_largest_load_is_typed_as_one(ttft_ns: int, itl_ns: int | None) -> None:
    level = ServiceLevel(ttft_ns=ttft_ns, itl_ns=itl_ns)
    plan: dict[str, Any] = {"models": (SERVED,), "settings": (SERVED.served.settings,)}
    made = make_experiment(("chat@r0.25",), search="rate", slo=level, **plan)
    _, verb, *arguments = shlex.split(measuring_command(made))
    parsed = command.make_context(verb, arguments).params
    assert (parsed["workloads"], parsed["rates"], parsed["n_users"]) == (("chat",), ("auto",), ())
    assert parsed["slo"] == level
    assert parsed["endpoints"] == (f"{SERVED.served.url}#{SERVED.served.model}",)

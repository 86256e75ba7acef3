"""The plan of a fleet: read strictly, and turned into the words of `harness run`."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commandline.written_options import Option
from harness.commands.fleet.plan import FleetPlan, read_plan
from harness.errors import HarnessError, UsageError


def typed(value: object, where: str) -> str:
    if value == "bad":
        raise UsageError(f"{where}: 'bad' is not one of good")
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def several(value: object, where: str) -> tuple[str, ...]:
    return tuple(map(str, value if isinstance(value, list) else [value]))


OPTIONS = {
    "runs": Option(typed),
    "workload": Option(typed),
    "gpu-layers": Option(typed),
    "name": Option(several),
    "quick": Option(typed, is_flag=True),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plan.yaml"


def read(file: Path, text: str, *hosts: str) -> FleetPlan:
    file.write_text(text, "utf-8")
    return read_plan(file, hosts or ("laptop", "studio"), "their-harness", OPTIONS)


def test_every_host_measures_what_stands_above_the_machines(file: Path) -> None:
    plan = read(file, "models: [a, 'b:Q4']\nworkload: [pp512, tg128]\nruns: 5\nquick: true")
    words = ("--workload=pp512,tg128", "--runs=5", "--quick", "--", "a", "b:Q4")
    assert [(each.host, each.words) for each in plan.hosts] == [
        ("laptop", words),
        ("studio", words),
    ]
    assert {each.harness for each in plan.hosts} == {"their-harness"}


def test_what_a_machine_says_stands_in_the_place_of_it(file: Path) -> None:
    text = """
        models: a
        runs: 5
        quick: on
        machines:
          studio: {harness: ~/bin/harness, models: [b], runs: 2, gpu-layers: -1, quick: off}
          laptop:
    """
    laptop, studio = read(file, text).hosts
    assert laptop.words == ("--runs=5", "--quick", "--", "a")
    assert studio.words == ("--runs=2", "--gpu-layers=-1", "--", "b")
    assert studio.harness == "~/bin/harness"


def test_an_option_that_is_repeated_has_a_word_for_each(file: Path) -> None:
    plan = read(file, "models: a\nname: [x, y]")
    assert plan.hosts[0].words == ("--name=x", "--name=y", "--", "a")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modles: [a]", "modles: it is no option of `harness run` that a fleet has a use for; did"),
        ("models: []", "models: write names of models"),
        ("models: [1]", "models: write names of models"),
        ('models: ["a\\tb"]', "is no name of a model"),
        ("runs: 1", "no models for laptop; write models: "),
        ("models: a\nruns: bad", "plan.yaml: runs: 'bad' is not one of good"),
        ("models: a\nruns: []", "plan.yaml: runs: it has no value"),
        ("models: a\nruns:", "plan.yaml: runs: it has no value"),
        ("models: a\nquick: 3", "plan.yaml: quick: it is on or off"),
        ("models: a\nruns: 1\nruns: 2", "plan.yaml:3: runs stands there twice"),
        (
            "models: a\nmachines: {studo: {}}",
            "studo: it is not among --hosts (laptop, studio); did",
        ),
        ("models: a\nmachines: {studio: {runs: bad}}", "machines.studio.runs: 'bad' is not"),
        ("models: a\nmachines: {studio: {run: 1}}", "machines.studio.run: it is no option"),
        ("models: a\nmachines: [studio]", "plan.yaml:2: machines: write hosts with what differs"),
        (
            "models: a\nmachines: {studio: 5}",
            "plan.yaml:2: machines.studio: write keys with values",
        ),
        ("models: a\nmachines: {7: {}}", "machines: YAML reads a key as 7, which is no text"),
        ("models: a\non: 1", "YAML reads a key as True, which is no text; write it in quotes"),
        ("models: ' '", "is no name of a model"),
        ("models: a\nharness: 7", "plan.yaml:2: harness: write what starts harness there"),
        (f"models: [{', '.join('a' * 1000)}]", "has 1001 models and options, and a machine takes"),
        ("models: a\nharness: ''", "plan.yaml:2: harness: "),
        ('models: a\nharness: "a\\nb"', "plan.yaml:2: harness: "),
        ("", "write keys with values"),
        ("a: b: c", "plan.yaml:1: "),
    ],
)
def test_a_mistake_is_told_with_the_file_and_the_key(file: Path, text: str, said: str) -> None:
    with pytest.raises(HarnessError) as caught:
        read(file, text)
    message = str(caught.value)
    assert said in message
    assert message.startswith(str(file))
    assert "\n" not in message


def test_machines_of_which_all_lines_are_comments_are_none(file: Path) -> None:
    assert read(file, "models: a\nmachines:\n  # studio: {}") == read(file, "models: a")


def test_this_machine_has_no_program_to_name(file: Path) -> None:
    with pytest.raises(UsageError, match="local is this program"):
        read(file, "models: a\nmachines: {local: {harness: x}}", "local")


def test_a_plan_is_the_same_however_it_is_laid_out_and_wherever_the_program_lies(
    file: Path,
) -> None:
    one = read(file, "models: [a]\nruns: 2\nmachines: {studio: {runs: 3}}")
    other = read(
        file, "# a comment\nmachines:\n  studio: {harness: h, runs: 3}\nruns: 2\nmodels: a"
    )
    more = read(file, "models: [a]\nruns: 2\nmachines: {studio: {runs: 4}}")
    assert one.sha256 == other.sha256 != more.sha256


@given(text=st.text(max_size=200))
def test_any_text_is_a_plan_or_is_refused_in_a_line(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    said = ""
    try:
        read_plan(file, ["laptop"], "harness", OPTIONS)
    except HarnessError as error:
        said = str(error)
    assert "\n" not in said

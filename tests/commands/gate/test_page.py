"""A gate's judgement as text, Markdown, JUnit XML, annotations and JSON."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from make.gate import make_candidate, make_rounds, make_sides, model_called
from make.pages import HOSTILE
from make.shown import read

from harness.analysis.finding import Finding
from harness.analysis.gate.judge import Change, Check, Judgement, Limits, judge_figures, unjudged
from harness.analysis.gate.match import failures, match
from harness.analysis.measured import measured_of
from harness.commands.gate.annotations import safe, workflow_commands
from harness.commands.gate.ci import junit_text, summary_text
from harness.commands.gate.document import document as document_of
from harness.commands.gate.gate import GateRequest, GateResult, JudgedExperiment
from harness.commands.gate.page import page
from harness.report import flat, plain
from harness.schema.figure import Figure
from harness.schema.model import ModelFile
from harness.schema.outcome import Outcome


def gate_text(told: GateResult) -> str:
    return plain.render(page(told))


def gated(
    *checks: Check,
    limits: Limits | None = None,
    told: tuple[str, ...] = (),
    model: str = "m:a",
    is_lenient: bool = False,
) -> GateResult:
    limits = limits or Limits()
    folder = Path("results")
    candidate = make_candidate(models=(model_called(model),))
    baseline = make_candidate("base01", day=1)
    return GateResult(
        request=GateRequest("latest", "main", limits, None, (), folder, is_lenient),
        judgement=Judgement(checks, limits),
        candidate=JudgedExperiment(candidate, 8, folder / "cand.jsonl"),
        baseline=JudgedExperiment(baseline, 12, folder / "baselines" / "main.jsonl"),
        findings=tuple(Finding("warning", text) for text in told),
    )


def figure(
    model: str = "m:a",
    metric: str = "tok_per_s",
    low: float = 0.1,
    workload: str = "tg128",
    verdict: str = "regression",
) -> Check:
    settings = make_candidate().plan.settings[0]
    a, b = (Figure(x, x, x, "tok/s", "interval", 8) for x in (120.0, 105.0))
    change = Change(low + 0.03, low, low + 0.06, low - 0.01)
    return Check(
        verdict,  # type: ignore[arg-type]
        model=model,
        settings=settings,
        workload=workload,
        metric=metric,
        limit=0.05,
        a=a,
        b=b,
        change=change,
        n=8,
        cause="undecided" if verdict == "inconclusive" else None,
    )


def exactly(verdict: str = "pass") -> Check:
    a = Figure(1 << 28, 1 << 28, 1 << 28, "bytes", "interval", 8)
    return Check(
        verdict,  # type: ignore[arg-type]
        model="m:a",
        settings=make_candidate().plan.settings[0],
        metric="need",
        limit=0.03,
        a=a,
        b=a,
        change=Change(0.0, 0.0, 0.0, 0.0, is_exact=True),
        n=8,
    )


def kl(verdict: str = "pass") -> Check:
    level = Figure(0.0312, 0.029, 0.0334, "nats", "interval", 32, standard_error=0.001)
    return Check(
        verdict,  # type: ignore[arg-type]
        model="m:a",
        metric="mean_kld",
        limit=0.05,
        level=level,
        n=32,
    )


EVERYTHING = (
    figure(),
    figure(workload="pp512", low=0.02, verdict="inconclusive"),
    exactly(),
    kl(),
    unjudged("failed", "failed in 1 of 8 Runs: killed"),
)
REMARK = "power source: battery against mains"


def test_the_text_has_a_line_for_each_figure_and_ends_with_the_verdict() -> None:
    text = gate_text(gated(*EVERYTHING, told=(REMARK,)))
    assert max(map(len, text.splitlines())) <= 80
    assert (
        text
        == """\
Baseline   main: experiment base01 of 2026-11-01, 12 Runs, build 0123abc,
           machine 3f2a91c04d
Candidate  experiment cand01 of 2026-11-20, 8 Runs, build 0123abc, machine
           3f2a91c04d

!  power source: battery against mains

m:a · threads 2

figure         baseline → now     worse by, %           n  verdict
-------------  -----------------  --------------------  -  ------------
tg128 tok/s    120 → 105          +13.0 (+10.0, +16.0)  8  REGRESSION
pp512 tok/s    120 → 105          +5.0 (+2.0, +8.0)     8  inconclusive
memory needed  256 MiB → 256 MiB  +0.0 exactly          8  pass

m:a

figure         baseline → now           worse by, %   n  verdict
-------------  -----------------------  -----------  --  -------
KL divergence  0.0312 (0.029 – 0.0334)               32  pass

  - pp512 tok/s of m:a · threads 2: 5.0 % slower (+2.0 to +8.0 %), and 5.0 % is
    allowed
  - failed in 1 of 8 Runs: killed

Baseline → now: geometric means over Runs. Worse by: percent more time or
memory, with the 95 % interval; below 0 is better. Allowed: 5.0 % of time, 3.0 %
of memory. A pass has this interval within, a regression the 99.5 % interval
beyond, as 2 figures at once need for 99 % together.

Regression: tg128 tok/s of m:a · threads 2: 13.0 % slower (+10.0 to +16.0 %),
and 5.0 % is allowed."""
    )


def test_the_markdown_is_what_a_summary_page_shows() -> None:
    assert (
        summary_text(gated(*EVERYTHING, told=(REMARK,)))
        == r"""### harness gate: regression

Regression: tg128 tok/s of m:a · threads 2: 13.0 % slower (+10.0 to +16.0 %), and 5.0 % is allowed.

- Baseline: main: experiment base01 of 2026-11-01, 12 Runs, build 0123abc, machine 3f2a91c04d
- Candidate: experiment cand01 of 2026-11-20, 8 Runs, build 0123abc, machine 3f2a91c04d

- power source: battery against mains

**m:a · threads 2**

| figure        | baseline → now    | worse by, %          |   n | verdict      |
| ------------- | ----------------- | -------------------- | --: | ------------ |
| tg128 tok/s   | 120 → 105         | +13.0 (+10.0, +16.0) |   8 | REGRESSION   |
| pp512 tok/s   | 120 → 105         | +5.0 (+2.0, +8.0)    |   8 | inconclusive |
| memory needed | 256 MiB → 256 MiB | +0.0 exactly         |   8 | pass         |

**m:a**

| figure        | baseline → now          | worse by, % |   n | verdict |
| ------------- | ----------------------- | ----------- | --: | ------- |
| KL divergence | 0.0312 (0.029 – 0.0334) |             |  32 | pass    |

- pp512 tok/s of m:a · threads 2: 5.0 % slower (+2.0 to +8.0 %), and 5.0 % is allowed
- failed in 1 of 8 Runs: killed

Baseline → now: geometric means over Runs. Worse by: percent more time or memory, with the 95 % interval; below 0 is better. Allowed: 5.0 % of time, 3.0 % of memory. A pass has this interval within, a regression the 99.5 % interval beyond, as 2 figures at once need for 99 % together.
"""  # noqa: E501
    )


def test_the_sentence_of_a_pass_tells_the_limits() -> None:
    text = gate_text(gated(exactly(), kl(), limits=Limits(max_kl=0.05)))
    assert text.endswith(
        "Pass: all 2 figures lie within what is allowed: 5.0 % slower, 3.0 % more memory,\n"
        "0.05 nats from the reference."
    )


def test_what_is_required_is_told_before_what_is_undecided() -> None:
    undecided, required = figure(verdict="inconclusive"), unjudged("failed", "it crashed")
    text = gate_text(gated(undecided, required))
    assert "Inconclusive: it crashed. 1 more is inconclusive." in text
    assert "--inconclusive pass does not let it pass" in text


def test_a_verdict_that_can_be_waived_says_so() -> None:
    missing = gated(unjudged("no-baseline", "there is none"))
    assert gate_text(missing).endswith("--inconclusive pass would let it pass.")
    waived = gated(unjudged("no-baseline", "there is none"), is_lenient=True)
    assert "asks for that" in gate_text(waived)
    assert "asks for that" in summary_text(waived)


def test_a_gate_that_judged_nothing_says_so() -> None:
    assert "\nInconclusive: there is nothing to judge." in gate_text(gated())


def test_long_names_stay_within_80_columns() -> None:
    checks = figure(workload="tg128@d131072", metric="decode_tok_per_s", low=1.0)
    text = gate_text(gated(checks, figure(model="owner/a-model-of-a-long-name:UD-Q4_K_XL" * 3)))
    assert max(map(len, text.splitlines())) <= 80


# ------------------------------------------------------------------ JUnit


def parsed(data: str) -> tuple[ET.Element, ET.Element]:
    """The document's root and its one suite, in the shape that viewers expect."""
    root = ET.fromstring(data.encode())
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    assert suite[0].tag == "properties"
    assert {each.tag for each in suite[1:]} <= {"testcase"}
    for element in (root, suite):
        assert {"name", "tests", "failures", "errors", "skipped"} <= set(element.attrib)
        assert int(element.attrib["tests"]) == len(suite.findall("testcase"))
        for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped",) * 2):
            assert int(element.attrib[attribute]) == len(suite.findall(f"testcase/{tag}"))
    for case in suite.findall("testcase"):
        assert set(case.attrib) == {"classname", "name", "time"}
        assert len(case) <= 1
        assert all("message" in each.attrib for each in case)
    names = [(case.get("classname"), case.get("name")) for case in suite.findall("testcase")]
    assert len(set(names)) == len(names)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    return root, suite


def outcomes(data: str) -> list[str]:
    _, suite = parsed(data)
    return [case[0].tag if len(case) else "" for case in suite.findall("testcase")]


def test_a_regression_is_a_failure_and_what_is_unknown_an_error() -> None:
    assert outcomes(junit_text(gated(*EVERYTHING))) == ["failure", "error", "", "", "error"]


def test_what_passes_on_request_is_skipped() -> None:
    unknown = figure(verdict="inconclusive")
    assert outcomes(junit_text(gated(unknown, exactly(), is_lenient=True))) == ["skipped", ""]
    # Nothing is waived beside a regression or what is required: then all of it is red.
    required = gated(unknown, unjudged("failed", "it crashed"), is_lenient=True)
    assert outcomes(junit_text(required)) == ["error", "error"]


def test_the_suite_says_what_was_compared() -> None:
    _, suite = parsed(junit_text(gated(exactly(), limits=Limits(max_kl=0.5))))
    properties = {each.attrib["name"]: each.attrib["value"] for each in suite[0]}
    assert properties["verdict"] == "pass"
    assert properties["baseline.experiment"] == "base01"
    assert properties["candidate.experiment"] == "cand01"
    assert properties["max-kl"] == "0.5"


def test_two_unjudged_checks_of_one_case_keep_two_names() -> None:
    twice = unjudged("no-baseline", "a"), unjudged("no-baseline", "b")
    assert outcomes(junit_text(gated(*twice))) == ["error", "error"]


@settings(max_examples=60)
@given(st.text(alphabet=st.characters(exclude_categories=()), max_size=40))
def test_no_name_of_a_model_breaks_a_form(name: str) -> None:
    told = gated(figure(model=name or "m"), unjudged("failed", name), told=(name,), model=name)
    parsed(junit_text(told))
    read(document_of(told))
    for text in (summary_text(told), gate_text(told), "\n".join(workflow_commands(told))):
        assert "\x1b" not in text
        assert "\r" not in text


def test_a_hostile_name_forges_nothing() -> None:
    told = gated(figure(model=HOSTILE), unjudged("failed", HOSTILE), told=(HOSTILE,), model=HOSTILE)
    _, suite = parsed(junit_text(told))
    assert "<script>" in suite[1].attrib["classname"]  # as text, which a viewer escapes
    lines = workflow_commands(told)
    assert len(lines) == 3
    for line in lines:
        assert re.fullmatch(r"::(error|warning|notice) title=harness gate::[^\n\r]*", line)
        assert line.count("::") == 2
    # A runner takes a line for a command where it begins with one, spaces aside.
    for line in gate_text(told).splitlines():
        assert not line.strip().startswith(("::", "##["))
    markdown = summary_text(told)
    assert not re.search(r"(?<!\\)<", markdown)
    assert not re.search(r"(?<!\\)`", markdown)
    assert not re.search(r"(?<!\\)\[", markdown)


@given(st.text(":#[x\x1b\n"))
@example("::::x::: ::")
@example("####[[x")
def test_safe_text_has_no_command_of_a_ci_runner(text: str) -> None:
    assert "::" not in safe(text)
    assert "##[" not in safe(text)


def test_programs_get_the_figures_of_every_check_unrounded() -> None:
    header, first, *_, last = flat.render(page(gated(*EVERYTHING)), ",").splitlines()
    names = header.split(",")
    row = dict(zip(names, first.split(","), strict=True))
    assert (row["figure"], row["verdict"], row["case"]) == (
        *("tg128 tok/s", "REGRESSION", "m:a · threads 2"),
    )
    assert (row["baseline_value"], row["candidate_value"]) == ("120.0", "105.0")
    assert (row["worse_by_value"], row["worse_by_low"], row["limit"]) == ("0.13", "0.1", "0.05")
    assert dict(zip(names, last.split(","), strict=True))["cause"] == "failed"


# -------------------------------------------------------------- annotations


def test_annotations_escape_what_the_runner_would_read() -> None:
    first, second = workflow_commands(gated(figure(), exactly()))
    assert first == (
        "::error title=harness gate::Regression: tg128 tok/s of m:a · threads 2: 13.0 %25 slower "
        "(+10.0 to +16.0 %25), and 5.0 %25 is allowed."
    )
    assert second.startswith("::error title=harness gate::tg128 tok/s of m:a")


def test_what_passes_is_a_notice_and_what_is_waived_a_warning() -> None:
    assert workflow_commands(gated(exactly()))[0].startswith("::notice ")
    unknown = gated(unjudged("no-baseline", "there is none"))
    assert {line.split()[0] for line in workflow_commands(unknown)} == {"::error"}
    lenient = workflow_commands(gated(unjudged("no-baseline", "there is none"), is_lenient=True))
    assert {line.split()[0] for line in lenient} == {"::warning"}


def test_no_more_annotations_than_are_shown() -> None:
    many = [figure(workload=f"tg{n}") for n in range(1, 40)]
    lines = workflow_commands(gated(*many))
    assert len(lines) == 10
    assert lines[0].endswith("30 more are in the log.")


# --------------------------------------------------------------------- JSON


def test_the_document_has_every_check_with_both_intervals() -> None:
    document = read(document_of(gated(*EVERYTHING)))
    assert document["verdict"] == "regression"
    assert document["exit_code"] == 3
    assert document["confidence"] == {
        "of_pass": 0.95,
        "of_regression": pytest.approx(0.995),
        "of_family": 0.99,
        "n_estimated": 2,
    }
    assert document["checks"][0]["worse_by"] == {
        "value": pytest.approx(0.13),
        "low": 0.1,
        "high": pytest.approx(0.16),
        "n": 8,
        "unit": "ratio",
        "kind": "interval",
    }
    assert document["checks"][0]["worse_by_surely"] == pytest.approx(0.09)
    level = document["checks"][3]["candidate"]
    assert (level["value"], level["low"], level["high"]) == (0.0312, 0.029, 0.0334)
    assert document["checks"][4]["cause"] == "failed"


def test_the_document_of_few_runs_has_null_for_what_is_unknown() -> None:
    pairs = list(zip(make_sides(make_candidate("b")), make_sides(n_runs=1), strict=True))
    document = read(document_of(gated(*judge_figures(pairs, Limits()))))
    assert document["checks"][0]["worse_by"]["low"] is None


def test_everything_that_can_stand_in_the_way_has_a_sentence() -> None:
    candidate = make_candidate(models=(model(), model_called("m:new", sha256="c2" * 32)))
    failed = Outcome(status="failed", reason="hung", message="It said nothing for 20 minutes.")
    sides = measured_of(candidate, make_rounds(candidate, n_runs=1, outcome=failed))
    base = make_candidate("base01", models=(model(), model_called("m:old")))
    checks = (*failures(sides), *match(measured_of(base, ()), sides).checks)
    text = gate_text(gated(*checks))
    for word in ("said nothing", "m:new", "m:old", "did not measure"):
        assert word in " ".join(text.split())


def model() -> ModelFile:
    return model_called("m:a")

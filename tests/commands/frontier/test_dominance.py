"""Dominance and advice: by hand where a sentence is wanted, by properties where a law is."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from make.figures import around, between, known

from harness.analysis.frontier.criteria import CRITERIA, NEEDED
from harness.analysis.frontier.dominance import (
    Frontier,
    Option,
    Pairs,
)
from harness.analysis.stats.ratio import Comparison, compare_exact
from harness.commands.frontier.advice import FAR_KL, NEAR_KL, advise, class_of
from harness.schema.figure import Figure, FigureKind


def option(
    name: str,
    kl: float,
    decode: float,
    size: float = 100.0,
    width: float = 0.01,
    **more: float,
) -> Option:
    """An option whose figures are known to `width`, as a share."""
    values: dict[str, float] = {"decode": decode, "kl": kl, "prefill": 1000.0}
    figures: dict[str, Figure] = {
        metric: around(value, width) for metric, value in (values | more).items()
    }
    return Option(name, figures | {"bytes": known(size)})


def choice(*options: Option) -> str | None:
    return advise(Frontier(options)).choice


# ------------------------------------------------------------------ dominance


@st.composite
def figures(draw: st.DrawFn) -> Figure:
    # Few different numbers, so that intervals touch, overlap and coincide.
    low, value, high = sorted(draw(st.tuples(*[st.integers(0, 8)] * 3)))
    kinds: list[FigureKind] = ["interval", "interval", "interval", "range"]
    return between(low, value, high, draw(st.sampled_from(kinds)))


@st.composite
def options(draw: st.DrawFn, least: int = 2, most: int = 6) -> tuple[Option, ...]:
    n = draw(st.integers(least, most))
    known = draw(st.sets(st.sampled_from([*CRITERIA]), max_size=3)) | set(NEEDED)
    every = draw(st.booleans())
    found = []
    for index in range(n):
        mine = known if every else draw(st.sets(st.sampled_from(sorted(known))))
        found.append(Option(f"o{index}", {metric: draw(figures()) for metric in sorted(mine)}))
    return tuple(found)


@given(options())
def test_nothing_dominates_itself_nor_what_dominates_it(some: tuple[Option, ...]) -> None:
    frontier = Frontier(some)
    for a in some:
        assert not frontier.dominates(a, a)
        for b in some:
            assert not (frontier.dominates(a, b) and frontier.dominates(b, a))


@given(options(least=3))
def test_what_dominates_a_dominator_dominates(some: tuple[Option, ...]) -> None:
    frontier = Frontier(some)
    for a in some:
        for b in some:
            for c in some:
                if frontier.dominates(a, b) and frontier.dominates(b, c):
                    # b may know a figure that neither of the others has: then it would not have
                    # dominated, for all of them must know the same.
                    assert frontier.dominates(a, c)


@given(options(), st.randoms())
def test_the_order_of_options_does_not_matter(some: tuple[Option, ...], random: object) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Frontier(some).dominators() == Frontier(tuple(shuffled)).dominators()


@given(options(), st.data())
def test_widening_an_interval_never_creates_a_dominance(
    some: tuple[Option, ...], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(some) - 1))
    assume(some[index].figures)
    metric = data.draw(st.sampled_from(sorted(some[index].figures)))
    figure = some[index].figures[metric]
    below, above = data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    low, high = figure.bounds
    wider = replace(figure, low=low - below, high=high + above)
    changed = replace(some[index], figures={**some[index].figures, metric: wider})
    others = tuple(changed if it.name == changed.name else it for it in some)
    before, after = Frontier(some), Frontier(others)
    for a, new_a in zip(some, others, strict=True):
        for b, new_b in zip(some, others, strict=True):
            assert before.dominates(a, b) or not after.dominates(new_a, new_b)


@given(
    st.floats(0.5, 2.0),
    st.floats(0.0, 0.5),
    st.floats(0.0, 0.5),
    st.booleans(),
)
def test_widening_a_comparison_never_creates_a_dominance(
    ratio: float, half: float, more: float, is_more_better: bool
) -> None:
    def compared(half: float) -> Comparison:
        low, high = ratio * math.exp(-half), ratio * math.exp(half)
        return Comparison(ratio, low, high, 6, "rounds", is_more_better, 0.02, 0.99, (1.0, ratio))

    a, b = option("a", 0.01, 10), option("b", 0.02, 10)
    metric = "decode" if is_more_better else "ttft"
    both = [
        replace(it, figures={"decode": known(10), metric: known(1), "kl": it.figures["kl"]})
        for it in (a, b)
    ]

    def dominance(half: float) -> list[bool]:
        frontier = Frontier(tuple(both), {("a", "b"): {metric: compared(half)}})
        return [frontier.dominates(*both), frontier.dominates(*both[::-1])]

    for before, after in zip(dominance(half), dominance(half + more), strict=True):
        assert before or not after


def test_a_comparison_by_rounds_counts_before_intervals_that_overlap() -> None:
    a, b = option("a", 0.01, 10, width=0.2), option("b", 0.005, 10.5, width=0.2)
    kl = {"a": known(0.01), "b": known(0.005)}
    a, b = (replace(it, figures={**it.figures, "kl": kl[it.name]}) for it in (a, b))
    same = compare_exact(10, 10, 6, is_more_better=True)
    faster = Comparison(1.05, 1.03, 1.07, 6, "rounds", True, 0.02, 0.99, (1.0, 1.05))
    assert Frontier((a, b)).dominators() == {}
    # However the pair is written, A and B or B and A.
    for pair, decode in ((("a", "b"), faster), (("b", "a"), replace_inverse(faster))):
        frontier = Frontier((a, b), {pair: {"decode": decode, "prefill": same}})
        assert frontier.dominators() == {"a": "b"}


def replace_inverse(compared: Comparison) -> Comparison:
    return replace(compared, ratio=1 / compared.ratio, low=1 / compared.high, high=1 / compared.low)


def test_a_figure_that_only_one_has_keeps_it_from_being_dominated() -> None:
    a, b = option("a", 0.001, 20, size=50), option("b", 0.1, 10)
    assert Frontier((a, b)).dominators() == {}  # the same prefill, not known to be the same
    same = compare_exact(10, 10, 6, is_more_better=True)
    pairs: Pairs = {("a", "b"): {"prefill": same}}
    assert Frontier((a, b), pairs).dominators() == {"b": "a"}
    measured = replace(b, figures={**b.figures, "joules": known(1)})
    assert Frontier((a, measured), pairs).dominators() == {}


def test_without_speed_or_quality_nothing_is_dominated() -> None:
    for missing in NEEDED:
        a, b = option("a", 0.001, 20, size=50, prefill=2000), option("b", 0.1, 10)
        assert Frontier((a, b)).dominators() == {"b": "a"}
        bare = [
            replace(it, figures={k: v for k, v in it.figures.items() if k != missing})
            for it in (a, b)
        ]
        assert Frontier(tuple(bare)).dominators() == {}


def test_what_cannot_be_used_here_dominates_nothing() -> None:
    a = replace(option("a", 0.001, 20, size=50), reason_missing="killed")
    b = option("b", 0.1, 10)
    pairs: Pairs = {("a", "b"): {"prefill": compare_exact(1, 1, 6, is_more_better=True)}}
    assert Frontier((a, b), pairs).dominators() == {}


# ------------------------------------------------------------------ advice


def test_near_the_reference_the_fastest_is_taken() -> None:
    q8, q6 = option("Q8_0", 0.0014, 30, 80), option("Q6_K", 0.0055, 40, 61)
    q4 = option("Q4_K_M", 0.031, 55, 46)
    advice = advise(Frontier((q8, q6, q4)))
    assert advice.choice == "Q6_K"
    assert advice.text == (
        "take Q6_K: the fastest of those near the reference (KL divergence 0.0055, decode 40.0 "
        "tok/s, comfortable); Q4_K_M is faster (55.0 tok/s) but at some distance from the "
        "reference (0.031)"
    )


def test_away_from_the_reference_the_nearest_of_the_comfortable_is_taken() -> None:
    q8, q4 = option("Q8_0", 0.0014, 3, 80), option("Q4_K_M", 0.031, 25, 46)
    q3 = option("Q3_K_M", 0.095, 40, 37)
    advice = advise(Frontier((q8, q4, q3)))
    assert advice.choice == "Q4_K_M"
    assert "nearest to the reference of those that are comfortable here" in advice.text
    assert "Q8_0 is nearer to the reference but slow here" in advice.text


def test_where_all_are_slow_the_fastest_is_taken() -> None:
    slow = [option("Q4_K_M", 0.031, 2), option("Q3_K_M", 0.095, 3, 37)]
    assert choice(*slow) == "Q3_K_M"


def test_a_slow_prompt_makes_an_option_slow() -> None:
    fast = option("a", 0.001, 50)
    waits = option("b", 0.002, 90, prefill=20)
    assert class_of(fast).pace == 2
    assert class_of(waits).pace == 0
    assert choice(fast, waits) == "a"


def test_of_two_that_are_as_good_the_smaller_is_taken() -> None:
    big, small = option("big", 0.001, 30, 80), option("small", 0.002, 30, 60)
    pairs = {("big", "small"): {"decode": compare_exact(30, 30, 6, is_more_better=True)}}
    advice = advise(Frontier((big, small), pairs))
    assert advice.choice == "small"
    assert "smaller than big, which is as good" in advice.text


def test_two_whose_speeds_cannot_be_told_apart_are_named() -> None:
    advice = advise(Frontier((option("a", 0.001, 30, width=0.1), option("b", 0.002, 31))))
    assert advice.choice is None
    assert advice.rivals == ("a", "b")
    assert advice.text.startswith("inconclusive: b or a; which is faster is not decided: more Runs")


def test_two_whose_qualities_cannot_be_told_apart_are_named() -> None:
    a = option("a", 0.030, 30, width=0.1)
    b = option("b", 0.031, 40, width=0.1)
    advice = advise(Frontier((a, b)))
    assert advice.choice is None
    assert "which is nearer to the reference is not decided: more text" in advice.text


def test_an_interval_across_a_threshold_leaves_the_choice_open() -> None:
    sure, unsure = option("sure", 0.005, 30), option("unsure", NEAR_KL * 1.005, 50, width=0.02)
    advice = advise(Frontier((sure, unsure)))
    assert advice.choice is None
    assert "an interval reaches across a threshold" in advice.text


def test_a_figure_of_too_few_runs_decides_nothing() -> None:
    few = option("few", 0.001, 50)
    rate = between(50, 50, 50, "range")
    few = replace(few, figures={**few.figures, "decode": rate})
    advice = advise(Frontier((few, option("other", 0.002, 30))))
    assert advice.choice is None
    assert "too few Runs" in advice.text


@pytest.mark.parametrize(
    ("missing", "says"),
    [
        ("decode", "no speed is known under the same settings: --measure measures it"),
        ("kl", "nothing is known of their quality: --measure or `harness quality` measures it"),
    ],
)
def test_without_a_figure_it_says_which_is_missing(missing: str, says: str) -> None:
    both = [option("a", 0.001, 30), option("b", 0.002, 40)]
    bare = [
        replace(it, figures={k: v for k, v in it.figures.items() if k != missing}) for it in both
    ]
    advice = advise(Frontier(tuple(bare)))
    assert advice.choice is None
    assert says in advice.text
    assert advice.left_out == ("a", "b")


def test_one_alone_or_none_is_no_choice() -> None:
    assert "`harness quantize` makes others" in advise(Frontier((option("a", 0.001, 30),))).text
    killed = replace(option("a", 0.001, 30), reason_missing="killed")
    assert "could be measured here: --measure tries again" in advise(Frontier((killed,))).text


def test_only_one_with_both_figures_is_no_choice() -> None:
    bare = Option("b", {"bytes": known(5)})
    assert "only a has both" in advise(Frontier((option("a", 0.001, 30), bare))).text


@st.composite
def measured(draw: st.DrawFn) -> tuple[Option, ...]:
    n = draw(st.integers(2, 5))
    kls = [0.001, 0.005, 0.0101, 0.03, 0.09, 0.12, 0.4]
    rates = [3.0, 5.95, 8.0, 15.0, 19.9, 25.0, 60.0]
    return tuple(
        option(
            f"o{index}",
            kl=draw(st.sampled_from(kls)),
            decode=draw(st.sampled_from(rates)),
            size=draw(st.integers(10, 99)),
            width=draw(st.sampled_from([0.0, 0.01, 0.1])),
            prefill=draw(st.sampled_from([20.0, 500.0, 2000.0])),
        )
        for index in range(n)
    )


@given(measured(), st.data())
def test_adding_a_worse_model_never_changes_the_advice(
    some: tuple[Option, ...], data: st.DataObject
) -> None:
    good = data.draw(st.sampled_from(some))
    factor = data.draw(st.floats(1.3, 4))
    worse = {
        metric: it.scaled(by)
        for metric, it in good.figures.items()
        for by in [1 / factor if CRITERIA[metric].is_more_better else factor]
    }
    added = Option("worse", worse)
    assert Frontier((*some, added)).dominates(good, added)
    before, after = advise(Frontier(some)), advise(Frontier((*some, added)))
    assert (before.choice, before.rivals) == (after.choice, after.rivals)


@given(measured(), st.randoms())
def test_the_advice_does_not_depend_on_the_order(some: tuple[Option, ...], random: object) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert advise(Frontier(some)) == advise(Frontier(tuple(shuffled)))


@given(measured())
def test_what_is_taken_is_not_dominated_and_in_no_lower_class(some: tuple[Option, ...]) -> None:
    frontier = Frontier(some)
    name = advise(frontier).choice
    if name is not None:
        taken = next(it for it in some if it.name == name)
        assert name not in frontier.dominators()
        assert all(class_of(it) <= class_of(taken) for it in some)


def test_the_thresholds_are_where_text_of_that_length_tells() -> None:
    tokens = [math.log(20) / kl for kl in (NEAR_KL, FAR_KL)]
    assert tokens == pytest.approx([300, 30], rel=0.01)

"""
Fits the speeds of machine classes to published results, and says how far they are off.

    python -m tools.speed [--write]
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
from tabulate import tabulate

from harness.analysis.speed.class_rates import ClassParameters
from harness.analysis.speed.rates import Spread
from tools.speed.errors import (
    Chooser,
    Miss,
    corrected_here,
    coverage,
    dense_and_mixture,
    depth_ratios,
    inflation_of,
    left_out,
    nested_coverage,
    remaining,
    several,
    spreads,
)
from tools.speed.fit import fit_classes
from tools.speed.published import Case, published

_FILE = Path(__file__).resolve().parents[2] / "harness" / "data" / "class_rates.json"
_SPREAD = re.compile(r"\{\s*\"low\"[^}]*\}")
# Told as ranges only (analysis/speed/hardware_class.py), so not among the predictions judged here.
_RANGES = ("cpu", "amd")

# Which other results of the same machine and source are taken for known.
_KNOWN: tuple[tuple[str, Chooser], ...] = (
    ("one result known", several(1)),
    ("a dense model and a mixture known", dense_and_mixture),
    ("three known", several(3)),
)


@click.command(help="Fit the machine classes, print their errors.")
@click.option("--write", is_flag=True, help="Write the parameters into the package.")
def main(write: bool) -> None:
    cases = published()
    by_chip = left_out(cases, lambda case: case.chip.name)
    by_model = left_out(cases, lambda case: case.model)
    click.echo(_table(by_chip, by_model))
    click.echo()
    click.echo(_coverage_line("Decode", predicted(by_chip, "tg"), kind_of))
    click.echo(_coverage_line("Prefill", predicted(by_chip, "pp"), family_of))
    parameters = with_spreads(fit_classes(cases), by_chip)
    for what, known, spread in (
        ("Decode", _decode_known(by_chip, dense_and_mixture), parameters.known_decode),
        ("Prefill", _prefill_known(by_chip, dense_and_mixture), parameters.known_prefill),
    ):
        inside = coverage(known, lambda _: "", {"": spread})
        click.echo(
            f"{what}, a dense model and a mixture known: {inside:.0%} of {len(known)} cases lie in "
            f"what holds 90 % with one known, -{1 - np.exp(-spread.low):.0%} "
            f"+{np.exp(spread.high) - 1:.0%}."
        )
    click.echo()
    click.echo(_parameter_table(parameters))
    if write:
        _FILE.write_text(as_json(rounded(parameters)), encoding="utf-8")


def as_json(parameters: ClassParameters) -> str:
    """What class_rates.json holds: a spread a line."""
    text = json.dumps(asdict(parameters), indent=1)
    return _SPREAD.sub(lambda found: json.dumps(json.loads(found[0])), text) + "\n"


def with_spreads(fitted: ClassParameters, by_chip: Sequence[Miss]) -> ClassParameters:
    """`fitted` with the intervals that hold what left-out chips did."""
    decode = _spreads(predicted(by_chip, "tg"), kind_of)
    for kind in _RANGES:
        decode |= _spreads(_of(by_chip, "tg", kind), kind_of)
    prefill = _spreads([miss for miss in by_chip if miss.case.kind == "pp"], family_of)
    # Without a single published prompt: as loose as the loosest.
    loosest = max(prefill.values(), key=lambda it: it.low + it.high)
    return replace(
        fitted,
        decode={name: replace(it, spread=decode[name]) for name, it in fitted.decode.items()},
        prefill={
            name: replace(it, spread=prefill.get(name, loosest))
            for name, it in fitted.prefill.items()
        },
        known_decode=remaining(_decode_known(by_chip, several(1))),
        known_prefill=remaining(_prefill_known(by_chip, several(1))),
    )


def rounded(parameters: ClassParameters) -> ClassParameters:
    """The same to three digits: more would be the fit's noise."""

    def short(value: object) -> object:
        if isinstance(value, float):
            return float(f"{value:.3g}")
        if isinstance(value, dict):
            return {key: short(value[key]) for key in sorted(value)}
        fields = getattr(value, "__dataclass_fields__", {})
        return replace(value, **{name: short(getattr(value, name)) for name in fields})  # type: ignore[type-var]

    result = short(parameters)
    assert isinstance(result, ClassParameters)
    return result


def kind_of(case: Case) -> str:
    """Decode goes by class."""
    return case.chip.kind


def family_of(case: Case) -> str:
    """Prefill goes by family."""
    return case.chip.family


def predicted(found: Sequence[Miss], kind: str) -> list[Miss]:
    """The cases of `kind` that the product would predict, not merely bound."""
    return [m for m in found if m.case.kind == kind and m.case.chip.kind not in _RANGES]


def _spreads(found: Sequence[Miss], group: Callable[[Case], str]) -> dict[str, Spread]:
    return spreads(found, group, inflation_of(found, group))


def _coverage_line(what: str, found: Sequence[Miss], group: Callable[[Case], str]) -> str:
    inflation = inflation_of(found, group)
    inside = nested_coverage(found, group, inflation)
    return (
        f"{what}: {100 * sum(inside) / len(inside):.0f} % of {len(inside)} cases of chips left out "
        f"lie in their 90 % interval (widened by {inflation:.2f})."
    )


def _table(by_chip: Sequence[Miss], by_model: Sequence[Miss]) -> str:
    rows = [
        _row("decode", by_chip, by_model, lambda found: _shallow(predicted(found, "tg"))),
        *(
            _row(f"  {kind}", by_chip, by_model, partial(_of_class, chip_kind=kind))
            for kind in sorted({miss.case.chip.kind for miss in by_chip})
        ),
        *(
            _row(f"decode, {title}", by_chip, by_model, partial(_decode_known, choose=choose))
            for title, choose in _KNOWN
        ),
        _row("decode at depth / at none", by_chip, by_model,
             lambda found: depth_ratios(predicted(found, "tg"))),
        _row("prefill, Apple M1-M4", by_chip, by_model,
             lambda found: _shallow(_prefill(found, is_apple=True))),
        _row("prefill, others", by_chip, by_model,
             lambda found: _shallow(_prefill(found, is_apple=False))),
        *(
            _row(f"prefill, others, {title}", by_chip, by_model,
                 partial(_prefill_known, choose=choose))
            for title, choose in _KNOWN
        ),
        _row("prefill at depth / at none", by_chip, by_model,
             lambda found: depth_ratios(predicted(found, "pp"))),
    ]  # fmt: skip
    headers = ["", "n", "chip left out: median", "p90", "model left out: median", "p90"]
    return tabulate(rows, headers=headers, tablefmt="github")


def _row(
    name: str,
    by_chip: Sequence[Miss],
    by_model: Sequence[Miss],
    choose: Callable[[Sequence[Miss]], list[Miss]],
) -> list[str]:
    chips, models = choose(by_chip), choose(by_model)
    return [name, str(len(chips)), *_quantiles(chips), *_quantiles(models)]


def _quantiles(found: Sequence[Miss]) -> list[str]:
    errors = [miss.error for miss in found]
    return [f"{100 * np.quantile(errors, q):.1f} %" for q in (0.5, 0.9)]


def _shallow(found: Sequence[Miss]) -> list[Miss]:
    return [miss for miss in found if miss.case.is_shallow]


def _of(found: Sequence[Miss], kind: str, chip_kind: str) -> list[Miss]:
    return [m for m in found if m.case.kind == kind and m.case.chip.kind == chip_kind]


def _of_class(found: Sequence[Miss], chip_kind: str) -> list[Miss]:
    return _shallow(_of(found, "tg", chip_kind))


def _decode_known(found: Sequence[Miss], choose: Chooser) -> list[Miss]:
    return corrected_here(_shallow(predicted(found, "tg")), choose)


def _prefill_known(found: Sequence[Miss], choose: Chooser) -> list[Miss]:
    others = _shallow(_prefill(found, is_apple=False))
    return corrected_here(others, choose, is_class_loose=True)


def _prefill(found: Sequence[Miss], *, is_apple: bool) -> list[Miss]:
    return [m for m in found if m.case.kind == "pp" and (m.case.chip.family == "apple") == is_apple]


def _parameter_table(parameters: ClassParameters) -> str:
    rows = [
        [kind, f"{it.bandwidth_share:.3f}", f"{it.block_s * 1e3:.3f}",
         f"-{1 - np.exp(-it.spread.low):.0%} +{np.exp(it.spread.high) - 1:.0%}"]
        for kind, it in sorted(parameters.decode.items())
    ]  # fmt: skip
    more = [
        [family, f"{it.peak_share:.2f}", f"{it.attention_share:.2f}",
         f"-{1 - np.exp(-it.spread.low):.0%} +{np.exp(it.spread.high) - 1:.0%}"]
        for family, it in sorted(parameters.prefill.items())
    ]  # fmt: skip
    decode = tabulate(
        rows, ["class", "share of bandwidth", "ms a block", "interval"], "github",
        disable_numparse=True,
    )  # fmt: skip
    prefill = tabulate(
        more, ["family", "share of peak", "attention", "interval"], "github", disable_numparse=True
    )
    shared = ", ".join(
        f"{name} {value:.3g}"
        for name, value in vars(parameters).items()
        if isinstance(value, float)
    )
    return f"{decode}\n\n{prefill}\n\n{shared}"


if __name__ == "__main__":
    main()

from __future__ import annotations

from make.figures import around, between

from harness.analysis.frontier.qualities import MeasuredQuality, QualityPage, quality_page
from harness.schema.figure import exact

NAMES = {"s8": "Q8_0", "s4": "Q4_K_M", "s2": "Q2_K"}


def result(
    model: str, kl: float, reference: str = "s8", at: str = "1", text: str = "t"
) -> MeasuredQuality:
    return MeasuredQuality(
        model_sha256=model,
        reference_sha256=reference,
        reference_key=f"key of {reference}",
        alike=(text, "512"),
        at=at,
        kl=around(kl, 0.1),
        same_top=between(0.89, 0.9, 0.91),
    )


def kls(page: QualityPage) -> dict[str, float]:
    return {name: figures["kl"].value for name, figures in page.figures.items()}


def test_the_reference_differs_from_itself_by_nothing() -> None:
    page = quality_page(NAMES, [result("s4", 0.03), result("s2", 0.4)])
    assert kls(page) == {"Q4_K_M": 0.03, "Q2_K": 0.4, "Q8_0": 0.0}
    assert page.figures["Q8_0"] == {"kl": exact(0, "nats"), "same_top": exact(1, "ratio")}
    assert page.reference == "Q8_0"


def test_a_reference_that_is_no_option_is_named_by_its_key() -> None:
    page = quality_page(NAMES, [result("s8", 0.001, "sF"), result("s4", 0.03, "sF")])
    assert kls(page) == {"Q8_0": 0.001, "Q4_K_M": 0.03}
    assert page.reference == "key of sF"


def test_results_on_different_texts_or_references_do_not_mix() -> None:
    most = [result("s4", 0.03), result("s2", 0.4)]
    page = quality_page(NAMES, [*most, result("s4", 0.5, text="other", at="9")])
    assert kls(page)["Q4_K_M"] == 0.03
    page = quality_page(NAMES, [*most, result("s4", 0.01, "s2", at="9")])
    assert page.reference == "Q8_0"


def test_of_equals_the_newest_counts() -> None:
    old, new = result("s4", 0.03, at="1"), result("s4", 0.04, at="2", text="other")
    assert kls(quality_page(NAMES, [new, old]))["Q4_K_M"] == 0.04
    again = result("s4", 0.05, at="3", text="other")
    assert kls(quality_page(NAMES, [again, new, old]))["Q4_K_M"] == 0.05


def test_files_that_are_not_asked_about_do_not_count() -> None:
    assert quality_page(NAMES, [result("another", 0.1)]) == QualityPage()
    assert quality_page(NAMES, []) == QualityPage()

"""What the method shows of links is what was measured."""

from __future__ import annotations

from benchmarks.rpc_links import Link, Sample
from harness.report.charts import svg_file
from tools.rpc_picture import PAGE, PICTURES, page, picture, rows, samples, table


def test_the_table_and_the_pictures_in_the_documentation_are_up_to_date() -> None:
    found = rows(samples())
    text = PAGE.read_text("utf-8")
    assert table(found) in text, "run `python -m tools.rpc_picture`"
    assert page(text, found) == text
    for is_dark, path in PICTURES.items():
        assert path.read_text("utf-8") == svg_file(picture(found), is_dark=is_dark)


def test_what_is_predicted_follows_from_pings_and_speeds() -> None:
    def measured(link: Link, ping_ms: float, rate: float) -> list[Sample]:
        pings = (round(ping_ms * 1e6),) * 2
        rates = {"tg32": rate, "pp128": 1000.0}
        return [Sample(link, i, pings, (10**9, 10**9), rates, 0.0) for i in range(5)]

    near = measured(Link("none", is_direct=True), 0.1, 100.0)
    far = measured(Link("5 ms", delay_ms=5.0), 5.1, 50.0)
    first, second = rows([*far, *near])
    assert (first.link.name, second.link.name) == ("none", "5 ms")
    assert round(second.added_ms, 6) == 10.0
    assert round(second.predicted_ms, 6) == 10.0

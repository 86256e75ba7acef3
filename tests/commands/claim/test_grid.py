from __future__ import annotations

from harness.analysis.device_memory import MemoryCapacity
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_predicted import Host
from harness.commands.claim.claim import ClaimResult
from harness.commands.claim.conclusion import Cell, Row, conclude
from harness.commands.claim.grid import grid
from harness.commands.claim.page import page
from harness.commands.claim.table import NamedHost
from harness.report.html import render
from harness.report.page import Facts, Judged, Table

USABLE = Verdict("usable", "comfortable", "usable", "predicted", "decode 12.0 tok/s")
MEASURED = Verdict("slow", "slow", "slow", "measured", "decode 2.00 tok/s")
NONE = Verdict("does-not-run", "does-not-run", "does-not-run", "predicted", "needs more")


def result_of(*cells: Cell) -> ClaimResult:
    """One model, a machine for each of its cells."""
    row = Row("kimi", "a <lab>", "CN", 10**12, 32 * 10**9, "Q4_K_M", 600 * 10**9, cells, True)
    host = Host(MemoryCapacity(0, 0), None)
    hosts = tuple(NamedHost(it.machine, f"{it.machine}: all of it", None, host) for it in cells)
    return ClaimResult(None, (), hosts, (row,), conclude([row], [it.machine for it in cells]))


def words_of(*cells: Cell) -> list[str]:
    (table,) = (part for part in grid(result_of(*cells)) if isinstance(part, Table))
    assert [column.header for column in table.columns[1 : 1 + len(cells)]] == [
        it.machine for it in cells
    ]
    return [it.word for it in table.rows[0] if isinstance(it, Judged)]


def test_every_machine_has_its_verdict_in_words_with_what_is_unusual_of_it() -> None:
    assert words_of(
        Cell("a", "Q4_K_M", True, USABLE),
        Cell("b", "Q2_K", False, USABLE),
        Cell("c", "Q2_K", False, NONE),
        Cell("d", "Q4_K_M", True, MEASURED),
        Cell("e", "Q2_K", False, MEASURED),
        Cell("f", None, True, None, "no size"),
    ) == [
        "usable, perhaps comfortable",
        "usable, perhaps comfortable (Q2_K)",
        "does not run",
        "slow (measured)",
        "slow (measured, Q2_K)",
        "not known",
    ]


def test_the_page_has_the_machines_and_what_follows_below_the_board() -> None:
    result = result_of(Cell("a", "Q4_K_M", True, USABLE), Cell("b", None, True, None))
    found = page(result, is_grid=True)
    (facts,) = (part for part in found if isinstance(part, Facts))
    assert facts.items == (("a", "a: all of it"), ("b", "b: all of it"))
    text = render(found, "Claim")
    assert "leading Chinese model" in text.split("</table>")[1]
    assert "The claim, in its parts" in text.split("</table>")[1]
    assert "a &lt;lab&gt;" in text
    assert 'class="judged pass pass-usable" title="decode 12.0 tok/s"' in text
    assert "~600 GB" in text

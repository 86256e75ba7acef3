from __future__ import annotations

import csv
from typing import Any

import pytest

from harness.analysis.device_memory import MemoryCapacity
from harness.analysis.verdict import Evidence, Level, Verdict, does_not_run
from harness.analysis.verdict_predicted import Host
from harness.commands.claim.claim import ClaimResult
from harness.commands.claim.conclusion import HERE, Cell, Conclusion, Reach, Row, conclude
from harness.commands.claim.matrix import symbol
from harness.commands.claim.page import page
from harness.commands.claim.sentences import sentences
from harness.commands.claim.table import NamedHost
from harness.report import plain
from harness.report.formats import FORMATS
from harness.report.page import without_explanations
from harness.schema.figure import Figure

B = 1_000_000_000
CONSUMER = ("laptop", "macbook")
SITES = (HERE, "laptop", "macbook", "studio")


def result_of(rows: list[Row], *machines: str, **changes: Any) -> ClaimResult:
    """What was found of these rows, on `machines`."""
    host = Host(MemoryCapacity(0, 0), None)
    hosts = tuple(NamedHost(it, f"{it}: so much memory", None, host) for it in machines)
    conclusion = conclude(rows, CONSUMER)
    return ClaimResult(None, (), hosts, tuple(rows), conclusion, **{"is_chosen": True} | changes)


def matrix_text(rows: list[Row], *machines: str, form: str = "plain") -> str:
    """The whole table of these rows as it is written for `machines`."""
    result = result_of(rows, *machines)
    return FORMATS[form](page(result, is_matrix=True, is_wide=form == "github"))


def board_text(rows: list[Row], *machines: str, width: int = 80, **changes: Any) -> str:
    """What runs on `machines`."""
    return plain.render(without_explanations(page(result_of(rows, *machines, **changes))), width)


def verdict(
    level: Level,
    evidence: Evidence = "predicted",
    best: Level | None = None,
    worst: Level | None = None,
) -> Verdict:
    if level == "does-not-run":
        return does_not_run("needs more", evidence, 5 << 30)
    rate = Figure(12.0, 10.0, 14.0, "tok/s", "predicted", source="tg128@d4096")
    reason = "decode 12.0 tok/s (tg128@d4096)"
    return Verdict(level, best or level, worst or level, evidence, reason, rate)


def cell(machine: str, level: Level | None, **changes: Any) -> Cell:
    is_usual = changes.pop("is_usual", True)
    found = verdict(level, **changes) if level else None
    return Cell(machine, "Q4_K_M", is_usual, found, "" if level else "unknown speed")


def row(
    model: str,
    country: str | None,
    billions: float | None,
    levels: str = "----",
    lab: str | None = None,
) -> Row:
    """A model; `levels` has a letter for each of SITES."""
    words: dict[str, Level | None] = {
        "c": "comfortable", "u": "usable", "s": "slow", "-": "does-not-run", "?": None,
    }  # fmt: skip
    cells = tuple(cell(site, words[it]) for site, it in zip(SITES, levels, strict=True))
    n_params = int(billions * B) if billions else None
    return Row(model, lab or f"lab of {model}", country, n_params, n_params, "Q4_K_M", B, cells)


ROWS = [
    row("kimi", "CN", 1000, "----"),
    row("glm", "CN", 350, "---u"),
    row("qwen-large", "CN", 235, "---c", lab="Qwen"),
    row("qwen-small", "CN", 8, "cucc", lab="Qwen"),
    row("gpt-oss-20b", "US", 21, "cscc", lab="OpenAI"),
    row("gpt-oss-120b", "US", 117, "--uc", lab="OpenAI"),
    row("llama", "US", 70, "----"),
    row("tiny", None, 0.001, "cccc"),
    row("both", "US/FR", 5000, "cccc"),
    row("secret", "CN", None, "????"),
]


def changed(rows: list[Row], model: str, **to: Any) -> list[Row]:
    """The rows with one model replaced."""
    made = []
    for r in rows:
        facts: dict[str, Any] = {"billions": (r.n_params or 0) / B, "lab": r.lab} | to
        made.append(row(model, r.country, **facts) if r.model == model else r)
    return made


def reach_of(conclusion: Conclusion, model: str) -> Reach:
    models = (*conclusion.chinese.models, *conclusion.american.models)
    return next(it.reach for it in models if it.row.model == model)


def test_the_leading_models_are_the_largest_of_each_lab() -> None:
    conclusion = conclude(ROWS, CONSUMER)

    assert [r.model for r in conclusion.chinese.leading] == ["kimi", "glm", "qwen-large"]
    assert [r.model for r in conclusion.american.leading] == ["gpt-oss-120b", "llama"]
    assert conclusion.chinese.median_leading == 350 * B
    assert conclusion.american.median_leading == pytest.approx(93.5 * B)
    assert conclusion.chinese.median_all == pytest.approx(292.5 * B)
    assert conclusion.chinese.n_unknown == 1


def test_the_larger_side_is_found_and_flips_with_the_rows() -> None:
    swap = {"CN": "US", "US": "CN"}
    flipped = [Row(r.model, r.lab, swap.get(r.country or "", r.country), *_rest(r)) for r in ROWS]

    assert conclude(ROWS, CONSUMER).are_larger == "yes"
    assert conclude(flipped, CONSUMER).are_larger == "no"


def _rest(r: Row) -> tuple[Any, ...]:
    return r.n_params, r.n_params_active, r.variant, r.size_bytes, r.cells


def test_one_giant_alone_makes_the_answer_mixed() -> None:
    rows = changed(ROWS, "llama", billions=2000, levels="----")
    rows = [r for r in rows if r.model != "gpt-oss-120b"]
    rows += [row("phi", "US", 15, "cccc"), row("olmo", "US", 7, "cccc")]

    conclusion = conclude(rows, CONSUMER)
    assert conclusion.american.leading[0].model == "llama"
    assert conclusion.are_larger == "mixed"


def test_without_a_side_nothing_is_said_of_size() -> None:
    assert conclude([r for r in ROWS if r.country != "US"], CONSUMER).are_larger == "unknown"
    assert conclude([], CONSUMER).are_larger == "unknown"
    assert sentences(conclude([], CONSUMER))[0].startswith("Whether")


@pytest.mark.parametrize(
    ("model", "reach"),
    [
        ("kimi", "none"),
        ("glm", "workstation"),
        ("qwen-small", "consumer"),
        ("gpt-oss-120b", "consumer"),
        ("secret", "unknown"),
    ],
)
def test_the_smallest_kind_of_machine_that_will_do_is_named(model: str, reach: Reach) -> None:
    assert reach_of(conclude(ROWS, CONSUMER), model) == reach


def test_the_machine_at_hand_belongs_to_no_kind() -> None:
    rows = [row("m", "US", 5, "c---")]

    assert reach_of(conclude(rows, CONSUMER), "m") == "none"


def test_slow_is_not_runnable_for_a_consumer() -> None:
    rows = [row("m", "US", 5, "-ss-")]

    assert reach_of(conclude(rows, CONSUMER), "m") == "none"


def test_a_consumer_machine_of_unknown_speed_leaves_the_reach_open() -> None:
    assert reach_of(conclude([row("m", "US", 5, "--?c")], CONSUMER), "m") == "unknown"
    assert reach_of(conclude([row("m", "US", 5, "-?uc")], CONSUMER), "m") == "consumer"


def test_the_models_the_claim_names_are_followed() -> None:
    conclusion = conclude(ROWS, CONSUMER)

    assert [it.row.model for it in conclusion.named] == ["gpt-oss-20b", "gpt-oss-120b"]
    assert conclusion.are_named_runnable == "yes"
    one = changed(ROWS, "gpt-oss-120b", levels="---c")
    assert conclude(one, CONSUMER).are_named_runnable == "mixed"
    none = changed(one, "gpt-oss-20b", levels="-s-c")
    assert conclude(none, CONSUMER).are_named_runnable == "no"
    assert conclude([], CONSUMER).are_named_runnable == "unknown"


def test_a_borderline_figure_makes_it_perhaps() -> None:
    unsure = cell("macbook", "usable", worst="slow")
    rows = [
        Row("gpt-oss-20b", "OpenAI", "US", B, B, "Q", B, (unsure,)),
        row("gpt-oss-120b", "US", 117, "--uc", lab="OpenAI"),
    ]

    assert conclude(rows, CONSUMER).are_named_runnable == "perhaps"


def test_a_sure_machine_is_named_before_an_unsure_smaller_one() -> None:
    cells = (cell("laptop", "usable", worst="slow"), cell("macbook", "comfortable"))
    rows = [Row("gpt-oss-20b", "OpenAI", "US", 21 * B, B, "Q", B, cells)]
    (named,) = conclude(rows, CONSUMER).named

    assert named.cell == cells[1]
    assert named.perhaps == (cells[0],)
    assert "comfortable on macbook" in sentences(conclude(rows, CONSUMER))[-2]
    assert "perhaps on laptop already" in sentences(conclude(rows, CONSUMER))[-2]


def test_the_sentences_follow_the_rows() -> None:
    told = " ".join(sentences(conclude(ROWS, CONSUMER)))

    assert "larger than the American ones? Yes. The largest model of each lab has a median of " in (
        told
    )
    assert "350 B (Chinese, 3 labs) against 93.5 B (American, 2 labs)" in told
    assert "kimi (1.00 T) against gpt-oss-120b (117 B)" in told
    assert "Of 3 leading Chinese models 0 are usable or better on a consumer machine" in told
    assert "Of 2 leading American models 1 is usable or better on a consumer machine" in told
    assert "The claim holds in both parts. All 36 verdicts are predictions." in told
    smaller = changed(changed(ROWS, "kimi", billions=1), "glm", billions=2)
    smaller = [r for r in smaller if r.lab != "Qwen"]
    told = " ".join(sentences(conclude(smaller, CONSUMER)))
    assert "larger than the American ones? No." in told
    assert "leading Chinese models larger: no; the named American models for consumers: yes" in told


def test_measured_verdicts_are_counted_apart() -> None:
    rows = [
        Row(
            "gpt-oss-20b", "OpenAI", "US", B, B, "Q", B,
            (cell(HERE, "usable", evidence="rehearsed"), cell("laptop", "usable")),
        )
    ]  # fmt: skip
    conclusion = conclude(rows, CONSUMER)

    assert conclusion.evidence == {"rehearsed": 1, "predicted": 1}
    assert (
        "1 of 2 verdicts are predictions, the others were taken here."
        in (sentences(conclusion)[-1])
    )


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (cell("a", "comfortable"), "c"),
        (cell("a", "usable", best="comfortable"), "u+"),
        (cell("a", "usable", worst="slow"), "u~"),
        (cell("a", "slow", best="usable", worst="does-not-run", is_usual=False), "s+~*"),
        (cell("a", "usable", evidence="measured"), "U"),
        (cell("a", "usable", evidence="rehearsed"), "Ur"),
        (cell("a", "pages", evidence="measured"), "P"),
        (cell("a", "does-not-run", is_usual=False), "-"),
        (cell("a", "does-not-run", evidence="measured"), "--"),
        (cell("a", None), "?"),
        (None, "?"),
    ],
)
def test_a_cell_is_a_letter_with_signs(made: Cell | None, shown: str) -> None:
    assert symbol(made) == shown


def test_the_overview_has_every_model_below_its_lab() -> None:
    _, _, text = matrix_text(ROWS, *SITES).partition("\n\n")
    lines = text.splitlines()

    assert lines[0].split() == ["model", "total", "used", "size", "here", "a", "b", "c"]
    assert lines.index("Qwen, CN") + 1 == lines.index(
        next(line for line in lines if line.startswith("  qwen-large"))
    )
    assert [line.split()[-4:] for line in lines if line.startswith("  gpt-oss-20b")] == [
        ["c", "s", "c", "c"]
    ]
    assert max(map(len, lines)) <= 80
    assert "Small letters are predicted" in text
    assert "\na     laptop: so much memory\n" in text


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_one_machine_alone_is_shown_with_its_figures(width: int) -> None:
    lines = board_text(ROWS, "macbook", width=width).splitlines()

    assert lines[0].startswith("Of 10 models 4 should run comfortably on macbook (the")
    assert "macbook: so much memory" in lines
    (usable,) = [number for number, line in enumerate(lines) if line == "usable"]
    (oss,) = [number for number, line in enumerate(lines) if line.startswith("  gpt-oss-120b")]
    assert lines[oss].split()[:5] == ["gpt-oss-120b", "117", "B", "Q4_K_M", "12.0"]
    assert usable < oss
    told = " ".join(" ".join(lines).split())
    assert "Does not run: kimi, glm, qwen-large, llama." in told
    assert "Not known: secret." in told
    assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [60, 80, 200])
def test_without_a_choice_this_machine_and_the_one_it_is_like_are_told(width: int) -> None:
    text = board_text(ROWS, *SITES, is_chosen=False, like="laptop", width=width)
    first, overview, *_, here, laptop, last = text.split("\n\n")

    assert " ".join(first.split()) == (
        "Of 10 models 4 should run comfortably on this machine (the largest: both, 5.00 T); 0 more "
        "are usable; on laptop, which it is like, 2 and 1 more."
    )
    assert [line.split()[0] for line in overview.splitlines()[2:]] == list(SITES)
    assert "█" in overview
    assert here.startswith("here: so much memory")
    assert "usable (1)        qwen-small" in laptop
    assert "does not run (5)  kimi," in laptop
    assert last.startswith("The claim holds in both parts.")
    assert max(map(len, text.splitlines())) <= width


def test_where_a_verdict_hangs_on_an_interval_the_name_stands_apart() -> None:
    cells = [cell(HERE, "usable"), cell(HERE, "usable", worst="slow")]
    cells += [cell(HERE, "usable", evidence="measured", is_usual=False)]
    rows = [
        Row(name, "lab", "US", n * B, B, "Q8_0", B, (each, cell("laptop", "slow")))
        for name, n, each in zip("abc", (3, 2, 1), cells, strict=True)
    ]
    text = board_text(rows, HERE, "laptop")
    assert "usable (3)  a, c:Q4_K_M (measured); perhaps not: b" in text


def test_how_many_run_well_for_certain_is_said() -> None:
    cells = [cell("laptop", "comfortable"), cell("laptop", "comfortable", worst="slow")]
    rows = [
        Row(name, "lab", "US", B, B, "Q8_0", B, (it,)) for name, it in zip("ab", cells, strict=True)
    ]
    assert ", 1 of them for certain; 0" in board_text(rows, "laptop", width=200)
    unsure = [Row("b", "lab", "US", B, B, "Q8_0", B, (cells[1],))]
    assert ", none of them for certain; 0" in board_text(unsure, "laptop", width=200)


def test_without_any_model_the_page_is_whole() -> None:
    assert "cannot be told from these rows" in matrix_text([], *SITES)
    assert board_text([], HERE)


def test_names_from_a_file_cannot_break_the_tables() -> None:
    evil = row("evil\x1b[2J|name-that-goes-on-and-on-and-on", "CN", 5, "cccc", lab="a\nb" * 30)

    text = matrix_text([evil], *SITES)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert max(map(len, text.splitlines())) <= 80
    markdown = matrix_text([evil], *SITES, form="github")
    assert all(char.isprintable() or char == "\n" for char in markdown)
    assert "\\|name" in markdown


def test_markdown_has_words_in_the_place_of_letters() -> None:
    text = matrix_text(ROWS, *SITES, form="github")
    (oss,) = [line for line in text.splitlines() if line.startswith("| gpt-oss-120b")]

    assert [part.strip() for part in oss.strip("|").split("|")] == [
        "gpt-oss-120b", "OpenAI", "US", "117 B", "117 B", "1.00 GB",
        "does not run (predicted)", "does not run (predicted)", "usable (predicted)",
        "comfortable (predicted)",
    ]  # fmt: skip
    assert "\n- laptop: so much memory\n" in text


def test_programs_get_a_line_for_each_model_on_each_machine() -> None:
    rows = list(csv.DictReader(matrix_text(ROWS, "laptop", "studio", form="csv").splitlines()))

    assert len(rows) == 2 * len(ROWS)
    (oss,) = [it for it in rows if (it["model"], it["machine"]) == ("gpt-oss-120b", "studio")]
    assert (oss["level"], oss["evidence"], oss["n_params"]) == (
        "comfortable", "predicted", "117000000000",
    )  # fmt: skip
    assert (oss["decode_value"], oss["decode_low"], oss["decode_unit"]) == ("12.0", "10.0", "tok/s")
    (kimi,) = [it for it in rows if (it["model"], it["machine"]) == ("kimi", "laptop")]
    assert (kimi["level"], kimi["short_bytes"], kimi["decode_value"]) == (
        "does-not-run", str(5 << 30), "",
    )  # fmt: skip
    (secret,) = [it for it in rows if (it["model"], it["machine"]) == ("secret", "laptop")]
    assert (secret["level"], secret["reason"]) == ("", "unknown speed")


def test_the_widest_cells_take_their_room_from_the_names() -> None:
    machines = [HERE, *"abcdefg"]
    wide = {"best": "comfortable", "worst": "slow", "is_usual": False, "evidence": "rehearsed"}
    cells = tuple(cell(machine, "usable", **wide) for machine in machines)
    rows = [Row("qwen3-coder-30b-a3b-instruct", "Lab", "CN", 10**12, 10**11, "Q", 10**12, cells)]
    text = matrix_text(rows, *machines)

    assert max(map(len, text.splitlines())) <= 80
    assert "Ur+~*" in text
    assert "…" in text

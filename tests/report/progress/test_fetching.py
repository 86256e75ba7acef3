from __future__ import annotations

import io
import time

from harness.files import FetchProgress, Whole
from harness.report.progress import fetching
from harness.report.progress.fetching import Fetching, Pace, sentence_of, whole_sentence
from harness.report.terminal import Stderr

GB = 1_000_000_000


def downloading(name: str, n_done: int, whole_done: int = 0) -> FetchProgress:
    whole = Whole(2, whole_done, 4 * GB)
    return FetchProgress(name, "downloading", n_done, 2 * GB, whole)


def lines(*reports: FetchProgress, is_terminal: bool = False) -> str:
    output = io.StringIO()
    console = Stderr(file=output, force_terminal=is_terminal, width=120, no_color=True)
    shown = Fetching(console)
    for report in reports:
        shown.report(report)
    if is_terminal:
        time.sleep(0.3)
    shown.done()
    return output.getvalue()


def test_the_rate_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    assert pace.bytes_per_s is None
    for second in range(100):
        pace.add(float(second), 5 * second if second < 50 else 250 + 100 * (second - 50))
    assert pace.bytes_per_s == 100


def test_no_rate_is_told_from_a_moment_alone() -> None:
    pace = Pace()
    pace.add(0.0, 10)
    pace.add(0.5, 20)
    assert pace.bytes_per_s is None


def test_what_was_there_before_does_not_count_as_fast() -> None:
    pace = Pace()
    pace.add(0.0, 50 * GB)
    pace.add(2.0, 50 * GB + 200)
    assert pace.bytes_per_s == 100


def test_a_file_that_starts_anew_starts_the_rate_anew() -> None:
    pace = Pace()
    pace.add(0.0, 1000)
    pace.add(5.0, 2000)
    pace.add(6.0, 0)
    assert pace.bytes_per_s is None
    pace.add(8.0, 20)
    assert pace.bytes_per_s == 10


def test_the_whole_is_told_with_rate_and_time_left() -> None:
    pace = Pace()
    pace.add(0.0, 0)
    pace.add(10.0, GB)
    assert whole_sentence(Whole(2, GB, 4 * GB), pace) == (
        "1.00 GB of 4.00 GB in 2 files, 100 MB/s, 30.0 s left"
    )
    assert (
        whole_sentence(Whole(1, 4 * GB, 4 * GB), pace) == "4.00 GB of 4.00 GB in 1 file, 100 MB/s"
    )
    assert whole_sentence(Whole(1, 5, 9), Pace()) == "5 B of 9 B in 1 file"


def test_a_phase_is_told_in_words() -> None:
    assert sentence_of(downloading("a", GB)) == "a: downloading 1.00 GB of 2.00 GB, 50.0 %"
    assert sentence_of(FetchProgress("a", "extracting", 5, None)) == "a: extracting 5 B"
    waiting = FetchProgress("a", "waiting", 0, 9)
    assert sentence_of(waiting) == "a: another process is fetching it, waiting"


def test_elsewhere_than_on_a_terminal_a_line_is_written_when_something_is_new() -> None:
    reports = [downloading("a", n) for n in range(50)] + [downloading("b", n) for n in range(50)]
    text = lines(*reports, FetchProgress("a", "done", 2 * GB, 2 * GB, Whole(2, 0, 4 * GB)))
    assert [line.split(" ")[:2] for line in text.splitlines()] == [
        ["a:", "downloading"],
        ["b:", "downloading"],
        ["a:", "done"],
    ]


def test_a_terminal_has_a_bar_for_each_file_and_one_for_all() -> None:
    text = lines(
        downloading("first.gguf", GB, GB), downloading("second.gguf", 5, GB), is_terminal=True
    )
    assert "first.gguf" in text
    assert "second.gguf" in text
    assert "together" in text
    assert "1.00 GB of 4.00 GB in 2 files" in text


def test_a_terminal_is_drawn_at_most_four_times_a_second() -> None:
    assert fetching._REDRAWS_PER_S <= 4
    reports = [downloading("first.gguf", n, n) for n in range(5000)]
    text = lines(*reports, is_terminal=True)
    # One at the start, one or two in the 0.3 s waited for, one at the end.
    assert text.count("together") <= 6


def test_a_hub_that_cannot_be_asked_is_a_warning() -> None:
    text = lines(FetchProgress("o/r:Q8_0", "offline", 0, None))
    assert text == "Warning: o/r:Q8_0: the hub cannot be asked, what is cached is used\n"

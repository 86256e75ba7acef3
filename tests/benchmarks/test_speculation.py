"""What the benchmark beside llama-server says of two sides."""

from __future__ import annotations

from benchmarks.speculation import Guesses, table, verdict


def test_all_tasks_together_are_judged() -> None:
    ours = {"rewrite": Guesses(100, 60), "story": Guesses(100, 20)}
    alike = {"rewrite": Guesses(110, 62), "story": Guesses(90, 20)}
    assert verdict(ours, alike).endswith("within 0.02 of each other: yes")
    assert "accepted: 0.400 here, 0.410 there" in verdict(ours, alike)
    assert verdict(ours, {"rewrite": Guesses(100, 90), "story": Guesses(0, 0)}).endswith(": no")
    header, _, *rows = (line.split() for line in table(ours, alike).splitlines())
    assert header[0] == "task"
    assert rows == [
        ["rewrite", "100", "0.600", "110", "0.564"],
        ["story", "100", "0.200", "90", "0.222"],
    ]

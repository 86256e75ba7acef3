"""
What a text in YAML may cost, seen before anything is composed of it.

libyaml composes a node within a node by calling itself, so that deep nesting ends the process; and
an alias costs two bytes and stands for all that its anchor does, so that a few lines are billions
of nodes to whoever walks over them. Its events tell both, one after the other, with neither.
"""

from __future__ import annotations

import yaml

# The shipped catalogue has 68 kB, 6,700 nodes and a depth of 7; it names every model that matters.
MOST_BYTES = 1_000_000
MOST_NODES = 50_000
MOST_DEPTH = 32


def refuse_endless(text: str, loader: type[yaml.SafeLoader]) -> None:
    """
    Nothing, if `text` is nested and repeated within bounds.

    Raises:
        yaml.YAMLError: It is not, or it is no YAML; with the place where that shows.
    """
    bounds = _Bounds()
    for event in yaml.parse(text, Loader=loader):
        bounds.take(event)


class _Bounds:
    """How many nodes there are so far, all that aliases stand for included, and how deep it is."""

    def __init__(self) -> None:
        self._n_nodes = 0
        # For each mapping or list that is open: its anchor, and how many nodes came before it.
        self._open: list[tuple[str | None, int]] = []
        self._sizes: dict[str, int] = {}

    def take(self, event: yaml.Event) -> None:
        """The next event; yaml.MarkedYAMLError if it is one too many."""
        if isinstance(event, yaml.AliasEvent):
            # An alias inside its own anchor is without end; an unknown one the composer refuses.
            if any(event.anchor == anchor for anchor, _ in self._open):
                raise _refusal("an alias stands for what it is part of", event)
            self._n_nodes += self._sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, self._n_nodes))
            self._n_nodes += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, n_before = self._open.pop()
            self._keep(anchor, self._n_nodes - n_before)
        elif isinstance(event, yaml.ScalarEvent):
            self._n_nodes += 1
            self._keep(event.anchor, 1)
        if len(self._open) > MOST_DEPTH:
            raise _refusal(f"it is nested more than {MOST_DEPTH} deep", event)
        if self._n_nodes > MOST_NODES:
            raise _refusal(f"with its aliases it comes to more than {MOST_NODES:,} values", event)

    def _keep(self, anchor: str | None, n_nodes: int) -> None:
        if anchor:
            self._sizes[anchor] = n_nodes


def _refusal(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark = event.start_mark
    assert mark is not None
    # That of libyaml is no yaml.Mark; only its line is read.
    place = yaml.Mark("", mark.index, mark.line, mark.column, None, 0)
    return yaml.MarkedYAMLError(problem=problem, problem_mark=place)

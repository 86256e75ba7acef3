"""Names of machines that tell each from the others of a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from harness import units
from harness.analysis.roster import Entrant
from harness.schema.machine import UNKNOWN_CPU, MachineFacts


def machine_text(machine: MachineFacts) -> str:
    """A machine in a few words: "AMD EPYC, 2 cores, 23.4 GiB"."""
    return ", ".join(filter(None, (machine.cpu, _rest_text(machine))))


def machine_names(machines: Sequence[Entrant]) -> list[str]:
    """What each is, in the words of `machine_text`, behind what whoever measured calls it."""
    plain = [
        f"{it.host} ({machine_text(it.facts)})" if it.host else machine_text(it.facts)
        for it in machines
    ]
    return apart(plain, [lambda i: machines[i].facts.id])


def short_names(machines: Sequence[Entrant]) -> list[str]:
    """As short as tells them apart: what whoever measured calls it, or its processor."""
    plain = [it.host or _chip(it.facts) or it.facts.id for it in machines]
    rest = [_rest_text(it.facts) for it in machines]
    # Many of one make: what they have in common tells none from the others.
    is_telling = len({*zip(plain, rest, strict=True)}) == len(machines)
    more = [lambda i: rest[i]] if is_telling else []
    return apart(plain, [*more, lambda i: machines[i].facts.id])


def apart(names: Sequence[str], more: Sequence[Callable[[int], str]]) -> list[str]:
    """`names`, those that are alike with what tells them apart, as far as that is needed."""
    found = list(names)
    for each in more:
        counts = Counter(found)
        if len(counts) == len(found):
            break
        found = [
            f"{name} · {each(i)}" if counts[name] > 1 else name for i, name in enumerate(found)
        ]
    return found


def _chip(machine: MachineFacts) -> str:
    """Its processor, or where no record tells that a card."""
    cards = [*_cards(machine)]
    return cards[0] if machine.cpu == UNKNOWN_CPU and cards else machine.cpu


def _rest_text(machine: MachineFacts) -> str:
    """What stands behind its processor's name."""
    cores = machine.n_cores_physical or machine.n_cores_logical
    parts = [
        *(f"{name} x {n}" if n > 1 else name for name, n in _cards(machine).items()),
        f"{cores} cores" if cores else "",
        units.memory_size(machine.usable_bytes) if machine.usable_bytes else "",
        f"with {len(machine.rpc)} RPC server{'s'[: len(machine.rpc) - 1]}" if machine.rpc else "",
    ]
    return ", ".join(filter(None, parts))


def _cards(machine: MachineFacts) -> Counter[str]:
    # What a chip has in itself bears its name: nobody wants to read "Apple M2" twice.
    return Counter(it.name for it in machine.accelerators if it.name != machine.cpu)

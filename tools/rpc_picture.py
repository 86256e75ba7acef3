"""
Writes what docs/method/rpc.md shows of links between machines: `python -m tools.rpc_picture`.

Two pictures, for light and for dark, and the table, of benchmarks/rpc_links.json, which
`python -m benchmarks.rpc_links --json` printed. tests/tools/test_rpc_picture.py holds all three
against what would be written, so they are never old.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from tabulate import tabulate

from benchmarks.rpc_links import Link, Sample
from harness import units
from harness.analysis.speed.rpc_way import way_of_token
from harness.report.charts import svg_file
from harness.report.picture import Axis, Mark, Picture
from harness.schema.machine import RpcDevice, RpcServer

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "benchmarks" / "rpc_links.json"
PAGE = ROOT / "docs" / "method" / "rpc.md"
PICTURES = {
    is_dark: ROOT / "docs" / "pictures" / f"rpc-{'dark' if is_dark else 'light'}.svg"
    for is_dark in (False, True)
}

_DECODE = "tg32"
_PROMPT = "pp128"
_N_VOCAB = 49_152  # of SmolLM2
_TABLE = re.compile(r"(?<=<!-- links -->\n\n).*?(?=\n\n<!-- /links -->)", re.DOTALL)


@dataclass(frozen=True)
class Row:
    """
    A link: milliseconds a token of all processes, and what was predicted that it adds.

    What it did add is read off the fastest ones: what else runs here only ever takes time.
    """

    n_servers: int
    link: Link
    decode_ms: tuple[float, ...]
    added_ms: float
    predicted_ms: float
    prompt_ms: float

    @property
    def quartiles_ms(self) -> tuple[float, float, float]:
        """The lower one, the median, and the upper one."""
        low, middle, high = quantiles(self.decode_ms, n=4, method="inclusive")
        return low, middle, high

    @property
    def fastest_ms(self) -> float:
        """Of the fastest process."""
        return min(self.decode_ms)


def samples() -> list[Sample]:
    """What was measured."""
    return [
        Sample(**(each | {"link": Link(**each["link"])}))
        for each in json.loads(DATA.read_text("utf-8"))
    ]


def rows(measured: Sequence[Sample]) -> list[Row]:
    """A row for each number of servers and link, those without a link first."""
    found = []
    for n in sorted({it.n_servers for it in measured}):
        mine = [it for it in measured if it.n_servers == n]
        direct = [it for it in mine if it.link.is_direct]
        base = min(_ms(direct, _DECODE))
        for link in sorted({it.link for it in mine}, key=_order):
            there = [it for it in mine if it.link == link]
            decode = _ms(there, _DECODE)
            more = median(map(_way_ms, there)) - median(map(_way_ms, direct))
            prompt = min(_ms(there, _PROMPT))
            found.append(Row(n, link, decode, min(decode) - base, more, prompt))
    return found


def _order(link: Link) -> tuple[bool, float, float]:
    return not link.is_direct, link.delay_ms, -(link.mbit_per_s or 1e9)


def _ms(there: Sequence[Sample], workload: str) -> tuple[float, ...]:
    """Milliseconds a token, of each process."""
    return tuple(1e3 / it.rates[workload] for it in there)


def _way_ms(sample: Sample) -> float:
    """What is predicted of the way, from the ping and speed just before the process began."""
    device = RpcDevice(total_bytes=1, free_bytes=1)
    servers = [
        RpcServer(address="", version="", devices=(device,), ping_ns=ping_ns, bytes_per_s=speed)
        for ping_ns, speed in zip(sample.pings_ns, sample.bytes_per_s, strict=True)
    ]
    way = way_of_token(servers, {f"RPC{i}" for i in range(len(servers))}, _N_VOCAB)
    assert way is not None
    return way.ns / 1e6


def table(found: Sequence[Row]) -> str:
    """The rows in Markdown."""
    heads = ("servers", "link", "n", "ms a token", "fastest", "more", "predicted", "prompt")
    lines = [
        (
            row.n_servers,
            row.link.name,
            len(row.decode_ms),
            "{1:.1f} ({0:.1f} to {2:.1f})".format(*row.quartiles_ms),
            f"{row.fastest_ms:.1f}",
            "" if row.link.is_direct else f"{row.added_ms:+.1f}",
            "" if row.link.is_direct else f"{row.predicted_ms:+.1f}",
            f"{row.prompt_ms:.2f}",
        )
        for row in found
    ]
    return tabulate(lines, heads, tablefmt="github", disable_numparse=True)


def picture(found: Sequence[Row]) -> Picture:
    """Time a token takes over the delay of its links."""
    return Picture(
        title="What a token takes at least over the delay of the links, and as the ping predicts",
        name="rpc",
        drawing="lines",
        marks=tuple(_marks(found)),
        x=Axis("delay added to a ping (ms)"),
        y=Axis("ms a token", includes_zero=True),
        series_title="servers",
    )


def _marks(found: Sequence[Row]) -> Iterator[Mark]:
    direct = {row.n_servers: row for row in found if row.link.is_direct}
    for row in found:
        if row.link.mbit_per_s is not None or (row.link.is_direct is (row.link.delay_ms > 0)):
            continue
        fastest, usual = row.fastest_ms, row.quartiles_ms[1]
        name = units.counted(row.n_servers, "server")
        delay = row.link.delay_ms
        said = f"{name}, {delay:g} ms: {fastest:.1f} ms a token, {usual:.1f} in the median"
        yield Mark(delay, fastest, said, name, fastest, usual)
        expected = direct[row.n_servers].fastest_ms + row.predicted_ms
        said = f"{name}, {delay:g} ms: {expected:.1f} ms a token predicted"
        yield Mark(delay, expected, said, name, evidence="predicted")


def page(text: str, found: Sequence[Row]) -> str:
    """The page with its table as it should be."""
    return _TABLE.sub(lambda _: table(found), text)


if __name__ == "__main__":
    now = rows(samples())
    PAGE.write_bytes(page(PAGE.read_text("utf-8"), now).encode())
    for is_dark, path in PICTURES.items():
        path.write_bytes((svg_file(picture(now), is_dark=is_dark) or "").encode())

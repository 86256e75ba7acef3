"""Hostile catalogues of one's own: read or refused in one line, in little time and memory."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Callable, Generator
from pathlib import Path
from random import Random
from time import thread_time

from harness.errors import HarnessError
from harness.models.catalog.catalog import parse_catalog
from harness.models.catalog.file import read_catalog_text
from hostile.attempt import Attempt

_MAX_BYTES = 100_000_000
_MAX_CPU_S = 10.0
"""A megabyte of anything takes three on a busy machine, watched; what is without end more."""

_SHIPPED = (Path(__file__).resolve().parents[2] / "models.yaml").read_text("utf-8")
_SMALL = """\
schema: 1
models:
  - name: mine
    lab: Me
    country: null
    licence: MIT
    parameters: {total: 10, active: 10}
    shape: &shape {n_layer: 4, n_embd: 8, n_ff: 7}
    variants:
      - quantization: Q8_0
        bytes: 100
        source: {kind: hub, repo: me/mine-GGUF}
"""


def attempts(folder: Path, rng: Random) -> Generator[Attempt, None, None]:
    """Good catalogues damaged, texts built to cost without end, and what is no file at all."""
    for number in range(1 << 60):
        path = folder / f"{number}.yaml"
        build = rng.choice(_BUILDS)
        build(path, rng)
        yield Attempt(f"a catalogue: {build.__name__.strip('_')}", _fault(path))
        path.unlink()


def _fault(path: Path) -> str | None:
    tracemalloc.start()
    started_s = thread_time()
    try:
        parse_catalog(read_catalog_text(path, "check it"), str(path))
    except HarnessError as error:
        lines = str(error).splitlines()
        if len(lines) != 1 or len(lines[0]) > len(str(path)) + 500:
            return f"{len(lines)} lines, {len(str(error))} characters"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        took_s, (_, peak_bytes) = thread_time() - started_s, tracemalloc.get_traced_memory()
        tracemalloc.stop()
    if took_s > _MAX_CPU_S or peak_bytes > _MAX_BYTES:
        return f"{took_s:.1f} s of CPU, {peak_bytes:,} bytes"
    return None


def _size(rng: Random) -> int:
    return int(10 ** rng.uniform(0, 6))


# ------------------------------------------------------------------ harm


def _damaged(path: Path, rng: Random) -> None:
    text = list(rng.choice([_SMALL, _SMALL, _SHIPPED]))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(text))
        n_cut = rng.choice([0, 0, 1, 5])
        text[at : at + n_cut] = rng.choice(_PIECES) * rng.choice([1, 1, 1, 2, 50])
    path.write_text("".join(text), "utf-8", errors="surrogatepass")


def _value(path: Path, rng: Random) -> None:
    """One value replaced by another."""
    lines = _SMALL.splitlines()
    at = rng.randrange(len(lines))
    key = lines[at].partition(":")[0]
    lines[at] = f"{key}: {rng.choice(_VALUES)(rng)}"
    path.write_text("\n".join(lines), "utf-8", errors="surrogatepass")


def _nested(path: Path, rng: Random) -> None:
    opening = rng.choice(
        ["[", "{a: ", "- ", "? ", "{? ", "[{", "- - ? ", "&a [", "!!seq [", "!!set {"]
    )
    path.write_text(rng.choice(["", _SMALL, "schema: "]) + opening * _size(rng))


def _aliases(path: Path, rng: Random) -> None:
    n_levels, n_each = rng.randint(1, 60), rng.randint(1, 12)
    form = rng.choice(["[{}]", "{{<<: [{}]}}", "{{a: [{}]}}", "!!omap [{}]", "!!pairs [{}]"])
    lines = ["x0: &x0 " + rng.choice(["1", "{a: 1}", "[1, 2]", "a" * 1000])]
    for level in range(1, n_levels):
        inner = ", ".join([f"*x{level - rng.choice([1, 1, 1, 0])}"] * n_each)
        lines.append(f"x{level}: &x{level} {form.format(inner)}")
    path.write_text("\n".join(lines) + rng.choice(["", "\n" + _SMALL]))


def _long(path: Path, rng: Random) -> None:
    piece = rng.choice([
        "[1, ", "a: b\n", "- 1\n", "a", "#", "\n", "'", '"', "x: |\n ", "1:59", "9", ".", "_", "%",
        "&a ", "--- 1\n", "? a\n", "<<: {a: 1}\n", "\\u0001", "*a ", "!", "!!binary ", "é", "\t",
        "\r", "-",
    ])  # fmt: skip
    path.write_text(
        rng.choice(["", "a: ", _SMALL]) + piece * (_size(rng) * 2 // len(piece)), "utf-8"
    )


def _many_names(path: Path, rng: Random) -> None:
    names = ", ".join(f"n{n}" for n in range(_size(rng) // 8))
    path.write_text(_SMALL.replace("    lab: Me", f"    aliases: [{names}]\n    lab: Me"))


def _many_models(path: Path, rng: Random) -> None:
    head, _, model = _SMALL.partition("  - name")
    models = (f"  - name{model}".replace("mine", f"m{n}") for n in range(_size(rng) // 300))
    path.write_text(head + "".join(models).replace("&shape ", ""))


def _no_file(path: Path, rng: Random) -> None:
    kind = rng.randrange(5)
    if kind == 0:
        path.symlink_to(rng.choice(["/dev/zero", "/dev/full", "/dev/tty", "/proc/self/mem", "/"]))
    elif kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.touch()
        os.truncate(path, 1 << rng.randint(10, 43))
    elif kind == 3:
        path.symlink_to(path)
    else:
        path.write_bytes(rng.randbytes(_size(rng)))


_PIECES = (
    "[", "]", "{", "}", ":", "- ", "\n", "  ", "&a ", "*a", "!!python/object ", "|", ">", "'", '"',
    "#", "%", "@", "?", "<<: *shape", "\x00", "\x85", "\u2028", "\ufeff", "---\n", "...\n", "\t",
    "null", "9", "*shape", "!!float ", "!!int ", "!!timestamp ", "\ud800", "\x1b[31m",
)  # fmt: skip
_VALUES: tuple[Callable[[Random], str], ...] = (
    lambda rng: "9" * _size(rng),
    lambda rng: "1" + ":59" * (_size(rng) // 3),
    lambda rng: "1" + ":59" * (_size(rng) // 3) + ".0",
    lambda rng: "0x" + "f" * _size(rng),
    lambda rng: "0b" + "1" * _size(rng),
    lambda rng: "." + "0" * _size(rng),
    lambda rng: "a" * _size(rng),
    lambda rng: f"!!binary {'QUJD' * (_size(rng) // 4)}",
    lambda rng: f"!!{rng.choice(['int', 'float', 'set', 'omap', 'pairs', 'bool', 'null'])} [a, b]",
    lambda rng: rng.choice(
        [".inf", ".nan", "-1", "1e999", "2026-99-99", "~", "[]", "{}", "0x_", "_"]
    ),
    lambda rng: rng.choice(
        ["{[a]: 1}", "{{a: 1}: 2}", "{? : 1}", "!!set {a, b}", "!<tag:x> 1", "!"]
    ),
    lambda rng: '"' + rng.choice(["\\x1b[31m", "\\ud800", "\\0", "\\u202e"]) * 9 + '"',
)
_BUILDS = (
    _damaged, _damaged, _value, _value, _nested, _aliases, _long, _many_names, _many_models,
    _no_file,
)  # fmt: skip

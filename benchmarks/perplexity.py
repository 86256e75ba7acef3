"""
Whether `harness quality` gives what llama-perplexity gives.

    python -m benchmarks.perplexity --llama-perplexity PATH MODEL REFERENCE
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import click
from tabulate import tabulate

from harness.measure.jobs.score_text import default_text

_HELP = """
Score one text with both programs and compare the figures to three significant digits.

MODEL and REFERENCE are GGUF files of one model. llama-perplexity must be of the engine's own
commit. Its sources come with the binding:

\b
    pip download --no-binary llama-cpp-python --no-deps llama-cpp-python==0.3.36
    tar xf llama_cpp_python-0.3.36.tar.gz
    cmake -S llama_cpp_python-0.3.36/vendor/llama.cpp -B build -DCMAKE_BUILD_TYPE=Release
    cmake --build build --target llama-perplexity

--libs lets it run on the very libraries that the harness measures with. Exit code 1 if a figure
differs in its third digit by more than rounding.
"""

# Name in our document to the line of llama-perplexity; None for what has no such line.
_LINES = {
    "perplexity": r"Mean PPL\(Q\)\s*:\s*(\S+) ±\s*(\S+)",
    "reference_perplexity": r"Mean PPL\(base\)\s*:\s*(\S+) ±\s*(\S+)",
    "ln_ratio": r"Mean ln\(PPL\(Q\)/PPL\(base\)\)\s*:\s*(\S+) ±\s*(\S+)",
    "perplexity_difference": r"Mean PPL\(Q\)-PPL\(base\)\s*:\s*(\S+) ±\s*(\S+)",
    "mean_kld": r"Mean    KLD:\s*(\S+) ±\s*(\S+)",
    "kld_p999": r"99\.9%   KLD:\s*(\S+)",
    "median_kld": r"Median  KLD:\s*(\S+)",
    "max_kld": r"Maximum KLD:\s*(\S+)",
    "same_top": r"Same top p:\s*(\S+) ±\s*(\S+) %",
}
# Half a unit of the third significant digit, at the worst of a leading 1; and llama-perplexity
# keeps the reference in 16 bits, spread over 16 nats: steps of 2.4e-4.
_TOLERANCE = 0.005
# One of the scored positions may have two likeliest tokens that 16 bits do not tell apart.
_POSITIONS = 1.01


@click.command(help=_HELP)
@click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("reference", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--llama-perplexity",
    "binary",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
)
@click.option("--libs", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--text", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--chunks", default=8, show_default=True)
@click.option("--ctx", default=512, show_default=True)
@click.option("--threads", default=os.cpu_count() or 1, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(
    model: Path,
    reference: Path,
    binary: Path,
    libs: Path | None,
    text: Path | None,
    chunks: int,
    ctx: int,
    threads: int,
    as_json: bool,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if text is None:
            text = folder / "text.txt"
            text.write_bytes(default_text().data)
        common = (text, chunks, ctx, threads)
        theirs = _theirs(binary, libs, model, reference, folder, *common)
        ours = _ours(model, reference, folder, *common)
    n_scored = chunks * (ctx - 1 - ctx // 2)
    rows = [_row(name, ours[name], theirs[name], n_scored) for name in _LINES]
    if as_json:
        click.echo(json.dumps({"harness": ours, "llama-perplexity": theirs}, indent=2))
    else:
        headers = ("", "harness", "±", "llama-perplexity", "±", "difference", "")
        click.echo(tabulate(rows, headers, floatfmt=".6g"))
    sys.exit(any(row[-1] for row in rows))


def _row(
    name: str, ours: list[float | None], theirs: list[float | None], n_scored: int
) -> tuple[str | float | None, ...]:
    a, b = ours[0], theirs[0]
    assert a is not None
    assert b is not None
    if name == "same_top":
        differs = abs(a - b) > _POSITIONS / n_scored
    else:
        # Nothing is said of digits that the other program does not print.
        differs = not math.isclose(a, b, rel_tol=_TOLERANCE, abs_tol=1e-6)
    return name, a, ours[1], b, theirs[1], f"{(a - b) / b * 100:+.3f} %", "differs" * differs


def _theirs(
    binary: Path,
    libs: Path | None,
    model: Path,
    reference: Path,
    folder: Path,
    text: Path,
    chunks: int,
    ctx: int,
    threads: int,
) -> dict[str, list[float | None]]:
    logits = folder / "logits"
    shared = ["-f", str(text), "--chunks", str(chunks), "-c", str(ctx), "-t", str(threads)]
    shared += ["--kl-divergence-base", str(logits)]
    environment = os.environ | ({"LD_LIBRARY_PATH": str(libs.resolve())} if libs else {})
    output = ""
    for path, more in ((reference, []), (model, ["--kl-divergence"])):
        command = [str(binary), "-m", str(path), *shared, *more]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        output = done.stdout + done.stderr
        if done.returncode:
            raise click.ClickException(f"{binary.name} failed: {output[-500:]}")
    found: dict[str, list[float | None]] = {}
    for name, pattern in _LINES.items():
        match = re.search(pattern, output)
        if match is None:
            raise click.ClickException(f"{binary.name} printed no {name}; is it of this commit?")
        scale = 0.01 if name == "same_top" else 1.0
        numbers = [float(number.rstrip("%")) * scale for number in match.groups()]
        found[name] = [*numbers, *([None] * (2 - len(numbers)))]
    return found


def _ours(
    model: Path,
    reference: Path,
    folder: Path,
    text: Path,
    chunks: int,
    ctx: int,
    threads: int,
) -> dict[str, list[float | None]]:
    command = [sys.executable, "-m", "harness", "quality", str(model.resolve()), "--json"]
    command += ["--reference", str(reference.resolve()), "--text", str(text.resolve())]
    command += ["--chunks", str(chunks), "--ctx", str(ctx), "--threads", str(threads)]
    command += ["--results", str(folder / "results"), "--wait", "1h"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise click.ClickException(done.stderr.strip())
    (result,) = json.loads(done.stdout)["results"]
    return {name: [it["value"], it["error"]] for name, it in result["figures"].items()}


if __name__ == "__main__":
    main()

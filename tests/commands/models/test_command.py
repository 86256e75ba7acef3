"""`harness models`, in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from make.other_kinds import bert

from harness.analysis.device_memory import MemoryCapacity
from harness.commands.models import models
from harness.commands.models.command import command
from harness.errors import HarnessError, ModelNotFound, UsageError
from harness.models.catalog.catalog import load_catalog
from harness.models.download import cached_path
from harness.report.text import WIDTH

GIB = 1024**3
CATALOG = load_catalog()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("HARNESS_CACHE", "HF_HUB_CACHE", "HARNESS_CONFIG", "LLAMA_CACHE", "HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    return tmp_path / "HARNESS_CACHE"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which a model can have 24 GiB."""
    monkeypatch.setattr(models, "_capacity", lambda: MemoryCapacity(24 * GIB, 24 * GIB))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def said(*arguments: str) -> str:
    result = run(*arguments)
    assert (result.exit_code, result.exception) == (0, None)
    return result.stdout


def document(*arguments: str) -> dict[str, Any]:
    answer = json.loads(said("--json", *arguments))
    assert isinstance(answer, dict)
    assert answer["schema"] == 2
    return answer


def refusal(*arguments: str) -> BaseException:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert isinstance(result.exception, HarnessError)
    return result.exception


def names(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()[2:]]


def test_every_model_has_one_line_in_the_order_of_the_file() -> None:
    assert names(said()) == [spec.name for spec in CATALOG.models]


@pytest.mark.slow
def test_no_line_of_the_list_or_of_a_page_is_too_wide_for_a_terminal(memory: None) -> None:
    listed = said().splitlines() + said("--fits").splitlines()
    # One of each lab and kind, and the longest names: every page takes a tenth of a second.
    kinds = {(spec.lab, spec.kind): spec for spec in CATALOG.models}.values()
    longest = sorted(CATALOG.models, key=lambda spec: len(spec.name))[-8:]
    pages = [line for spec in [*kinds, *longest] for line in said(spec.name).splitlines()]
    assert max(map(len, [*listed, *pages])) <= WIDTH


def test_a_star_marks_the_models_that_have_a_file_here(cache: Path) -> None:
    assert " *" not in "".join(said().splitlines()[1:])
    entry = CATALOG.find("tiny-random")
    path = cached_path(entry.spec, entry.variant)
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(entry.variant.n_bytes or 0))
    starred = [line.split()[0] for line in said().splitlines()[1:] if " * " in line]
    assert starred == ["tiny-random"]
    assert f"\nhere    {path}" in said("tiny-random")


def test_a_rounded_size_is_marked_as_one_and_an_unknown_one_is_empty() -> None:
    lines = {line.split()[0]: line.split() for line in said().splitlines()[2:]}
    assert lines["gpt-oss-20b"][2:4] == ["12.1", "GB"]
    assert lines["kimi-k2-instruct"][2:4] == ["~588", "GB"]
    # The number of parameters comes next.
    assert lines["kimi-k2-thinking"][2] == "1.03"


def test_the_filters_go_together_in_any_case() -> None:
    chinese = set(names(said("--country", "cn")))
    small = set(names(said("--max-size", "20GB")))
    qwen = set(names(said("--lab", "QWEN")))
    assert {"deepseek-v3.1", "qwen3-8b"} <= chinese
    assert "gpt-oss-20b" not in chinese
    assert {"gpt-oss-20b", "qwen3-8b"} <= small
    assert "gpt-oss-120b" not in small
    together = set(names(said("--country", "CN", "--max-size", "20GB", "--lab", "qwen")))
    assert together == chinese & small & qwen
    assert "qwen3-8b" in together


def test_nothing_found_is_said_in_one_line() -> None:
    assert said("--max-size", "1B") == (
        "No model of the catalogue is like that; `harness models` lists them all.\n"
    )
    assert document("--max-size", "1B")["models"] == []


def test_fits_leaves_out_what_does_not_and_says_what_is_unknown(memory: None) -> None:
    result = run("--fits")
    verdicts = {line.split()[0]: line.split()[-1] for line in result.stdout.splitlines()[2:]}
    assert verdicts["gpt-oss-20b"] == "yes"
    assert "gpt-oss-120b" not in verdicts
    # Nobody published how large its files are, but so many parameters take more in any of them.
    assert "kimi-k3" not in verdicts
    unknown = {CATALOG.spec(name) for name, each in verdicts.items() if each == "unknown"}
    assert all((spec.parameters.total or 0) * 50 / 256 < 24 * GIB for spec in unknown)
    assert set(verdicts.values()) == {"yes", "unknown"}
    n_out = len(CATALOG.models) - len(verdicts)
    assert "24.0 GiB of memory" in result.stderr
    assert f"{n_out} others left out" in result.stderr


def test_to_ask_what_fits_writes_no_model(memory: None, cache: Path) -> None:
    assert "tiny-random" in said("--fits", "--max-size", "20MB")
    assert not [*cache.rglob("*.gguf")]


def test_fits_takes_a_smaller_variant_where_the_usual_one_is_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(models, "_capacity", lambda: MemoryCapacity(14 * GIB, 14 * GIB))
    listed = said("--fits", "--lab", "qwen").splitlines()
    (line,) = [line for line in listed if "qwen3-coder-30b" in line]
    assert line.split()[1] == "Q2_K"


def test_a_models_page_tells_all_that_is_known_of_it() -> None:
    page = said("Kimi-K2")
    for fact in (
        "moonshotai/Kimi-K2-Instruct",
        "Moonshot AI, CN",
        "LicenseRef-Modified-MIT",
        'show "Kimi K2" prominently',
        "2025-07-11",
        "kimi-k2.6, kimi-k3",
        "deepseek2",
        "1.03 T in all, 31.7 B active",
        "UD-TQ1_0, ~245 GB",
        "unsloth/Kimi-K2-Instruct-GGUF",
        "in 13 parts",
    ):
        assert fact in page
    assert "27cd6c432c7672cb812a92f611cf3ba7bbc35928262bb1e1253ff4ee6ae35901" in said("gpt-oss-20b")
    assert said("gpt-oss-20b:MXFP4") == said("openai/GPT-OSS-20B") == said("gpt-oss-20b")


def test_a_models_page_says_what_fits_when_asked(memory: None) -> None:
    page = said("gpt-oss-120b", "--fits")
    assert "63.4 GB, fits: no" in page
    assert "fits" not in said("gpt-oss-120b")
    assert "size unknown, in 45 parts, fits: no" in said("kimi-k2-instruct", "--fits")


def test_a_page_without_files_or_licence_says_so() -> None:
    page = said("deepseek-v3.2")
    assert "No GGUF file of it is known." in page
    assert "not confirmed: read it" in page


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    error = refusal("gpt-os-20b")
    assert isinstance(error, ModelNotFound)
    assert "did you mean gpt-oss-20b" in str(error)


@pytest.mark.parametrize(
    "arguments",
    [("gpt-oss-20b", "--country", "US"), ("--local", "gpt-oss-20b"), ("--local", "--fits")],
)
def test_questions_that_contradict_each_other_are_refused(arguments: tuple[str, ...]) -> None:
    assert isinstance(refusal(*arguments), UsageError)


def test_a_size_that_is_none_is_refused() -> None:
    result = CliRunner().invoke(command, ["--max-size", "big"], standalone_mode=False)
    assert isinstance(result.exception, click.UsageError)
    assert "write 20GB" in str(result.exception)


def test_the_document_holds_what_the_file_holds() -> None:
    rows = {row["name"]: row for row in document()["models"]}
    assert list(rows) == [spec.name for spec in CATALOG.models]
    oss = rows["gpt-oss-20b"]
    assert (oss["n_params"], oss["n_params_active"]) == (20914757184, 3608307264)
    assert (oss["lab"], oss["country"], oss["released"]) == ("OpenAI", "US", "2025-08-05")
    assert oss["shape"]["swa"] == 128
    assert oss["variant"] == "MXFP4"
    first = oss["variants"][0]
    assert first["model"] == "gpt-oss-20b:MXFP4"
    assert first["n_bytes"] == 12109566624
    assert first["source"]["repo"] == "ggml-org/gpt-oss-20b-GGUF"
    assert first["path"] is None
    assert first["fits"] is None
    kimi = rows["kimi-k2-thinking"]
    assert kimi["variants"][0]["n_bytes"] is None
    assert rows["qwen3.8-flash-next"]["n_params"] is None


def test_the_document_of_one_model_has_the_same_form(memory: None) -> None:
    (alone,) = document("gpt-oss-120b")["models"]
    (listed,) = [row for row in document()["models"] if row["name"] == "gpt-oss-120b"]
    assert alone == listed
    fitting = document("gpt-oss-120b", "--fits")
    assert fitting["memory_bytes"] == 24 * GIB
    assert [variant["fits"] for variant in fitting["models"][0]["variants"]] == [False, False]


def test_another_catalogue_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "schema: 1\nmodels: [{name: mine, lab: Me, country: null, licence: null, variants: []}]\n"
    )
    assert names(said("--catalog", str(path)))[-1] == "mine"
    assert "Lab           Me" in said("mine", "--catalog", str(path))
    missing = run("--catalog", str(tmp_path / "no.yaml"))
    assert missing.exit_code == 2
    assert str(tmp_path / "no.yaml") in missing.output.replace("\n", "")


def test_nothing_held_by_other_programs_is_said_in_one_line() -> None:
    assert said("--local").startswith("Neither Ollama, LM Studio, llama.cpp nor")
    assert document("--local")["files"] == []


def test_a_file_that_another_program_holds_is_listed_with_its_path(
    tmp_path: Path, tiny_model: Path
) -> None:
    folder = tmp_path / "HOME" / ".lmstudio" / "models" / "somebody" / "tiny"
    folder.mkdir(parents=True)
    path = folder / "tiny-Q8_0.gguf"
    path.write_bytes(tiny_model.read_bytes())
    text = said("--local")
    assert text.splitlines()[2] == "LM Studio"
    assert "somebody/tiny/tiny-Q8_0.gguf" in text
    assert str(path) in text
    assert "1.02 MB" in text
    (row,) = document("--local")["files"]
    assert (row["origin"], row["path"], row["n_bytes"]) == ("LM Studio", str(path), 1024768)


def test_what_does_not_write_is_told_from_what_does(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "HOME" / ".lmstudio" / "models" / "somebody" / "tiny"
    folder.mkdir(parents=True)
    (folder / "tiny-Q8_0.gguf").write_bytes(tiny_model.read_bytes())
    assert "kind" not in said("--local").splitlines()[0]
    bert().write(folder)
    text = said("--local")
    assert "kind" in text.splitlines()[0].split()
    assert "embedding model" in text
    assert {row["kind"] for row in document("--local")["files"]} == {"generates", "embeds"}

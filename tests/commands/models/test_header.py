"""`harness models owner/repo:QUANT`: a page of a model known from its remote header."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from make.header_stubs import small_stub
from make.hub_at_hand import hub_at_hand
from make.hub_server import Hub, Repository

from harness.commands.models.command import command
from harness.errors import ModelNotFound
from harness.report.text import WIDTH

REPO, NAME = "lab/Mixture-GGUF", "mixture-MXFP4.gguf"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    path = small_stub(tmp_path, "gpt-oss-20b:MXFP4", 2, {2880: 512, 201_088: 512})
    with hub_at_hand(tmp_path, monkeypatch) as made:
        made.repositories[REPO] = Repository({NAME: path})
        yield made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_a_repositorys_model_has_a_page_for_the_price_of_its_header(hub: Hub) -> None:
    result = run(f"{REPO}:MXFP4")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{REPO}:MXFP4"
    facts = {line[:16].strip(): line[16:] for line in lines[1:]}
    assert facts["Architecture"] == "gpt-oss, 32 experts, 4 of them for a token"
    assert facts["Layers"] == "2 of width 512"
    assert facts["Context"] == "131072 positions, as trained"
    assert "MXFP4" in facts["Types"]
    assert facts["Source"] == f"{REPO} at {hub.repositories[REPO].commit[:8]}"
    assert max(map(len, lines)) <= WIDTH
    assert hub.n_body_bytes < 1_000_000 < 20_000_000 < hub.repositories[REPO].size(NAME)


def test_the_same_as_json(hub: Hub) -> None:
    result = run(f"{REPO}:MXFP4", "--json")
    document = json.loads(result.stdout)
    assert document["schema"] == 2
    assert document["header"]["origin"] == "hub"
    assert document["header"]["n_fetched_bytes"] >= document["header"]["n_bytes"] > 0
    file = document["file"]
    assert (file["architecture"], file["n_expert"], file["n_expert_used"]) == ("gpt-oss", 32, 4)
    assert file["token_read_bytes"] < file["weights_bytes"]


def test_a_quantization_that_is_not_there_is_an_error(hub: Hub) -> None:
    result = run(f"{REPO}:Q4_K_M")
    assert result.stdout == ""
    assert isinstance(result.exception, ModelNotFound)
    assert "has no Q4_K_M: it has MXFP4" in str(result.exception)

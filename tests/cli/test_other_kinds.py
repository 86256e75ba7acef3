"""Models that do not write: said wherever one is met, and nothing asked of them that they lack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from make.other_kinds import OTHER_KINDS, TinyModel, bert

from cli.commandline import ONE_THREAD, Done, Home
from harness.schema.model_kind import MODEL_KINDS

EMBEDS = "is an embedding model, which reads a text at once and writes none"
NAME = "tiny-bert.gguf"
MEASURE = ("--runs", "1", "--trials", "1", "--cold-loads", "0", *ONE_THREAD)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bert().write(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="module")
def measured(new_home: Callable[[], Home], encoder: Path) -> tuple[Home, Done]:
    home = new_home()
    return home, home.harness("run", encoder, *MEASURE, "--json")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "MODEL", "-w", "pp64,tg128,chat"), "it cannot be measured in tg128, chat"),
        (("run", "MODEL", "-w", "sustain5"), "it cannot be measured in sustain5"),
        (("run", "MODEL", "-w", "pp64@d64"), "it cannot be measured in pp64@d64"),
        (("run", "tiny-random", "MODEL", "-w", "tg8"), "it cannot be measured in tg8"),
        (("run", "MODEL", "-ub", "256"), "pp512 needs --ubatch-size 512"),
        (("rehearse", "MODEL", "-w", "tg8"), "it cannot be measured in tg8"),
        (("compare", "MODEL", "-t", "1,2", "-w", "tg8"), "it cannot be measured in tg8"),
        (("quality", "MODEL"), "it does not have a perplexity"),
        (("quality", "tiny-random", "--reference", "MODEL"), "it does not have a perplexity"),
        (("frontier", "MODEL"), "it does not have a frontier"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_it_lacks_is_refused_before_anything_is_measured(
    home: Home, encoder: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = home.harness(*(encoder if it == "MODEL" else it for it in arguments))

    assert done.exit_code == 2
    assert done.stdout == ""
    error = done.stderr.splitlines()[-1]  # it is hashed first
    assert error.startswith("Error: ")
    assert f"{NAME} {EMBEDS}" in error
    assert words in error
    assert not [path for path in home.results.rglob("*") if path.is_file()]


def test_its_header_says_what_it_is(home: Home, encoder: Path) -> None:
    done = home.harness("models", encoder)
    assert "an embedding model, which reads a text at once and writes none" in done.stdout
    assert "not causal" in done.stdout
    assert "mean" in done.stdout
    assert "Read per token" not in done.stdout
    assert home.harness("models", encoder, "--json").document["file"]["kind"] == "embeds"


@pytest.mark.slow
def test_it_is_fitted_without_a_speed(home: Home, encoder: Path) -> None:
    done = home.harness("fit", encoder)
    assert done.exit_code == 0
    assert "an embedding model" in done.stdout
    assert "tok/s" not in done.stdout
    (model,) = home.harness("fit", encoder, "--json").document["models"]
    assert model["file"]["kind"] == "embeds"
    assert model["speeds"] == []
    assert model["contexts"][0]["fits"] == "yes"


@pytest.mark.slow
def test_of_itself_only_its_embedding_throughput_is_measured(measured: tuple[Home, Done]) -> None:
    _, done = measured
    assert done.exit_code == 0, done.stderr
    (case,) = done.document["cases"]
    assert case["workload"] == "pp512"
    assert case["file"]["kind"] == "embeds"
    assert case["outcome"]["status"] == "ok"
    assert {**case["metrics"], **case["disturbed"]}["tok_per_s"]["value"] > 0


@pytest.mark.slow
def test_there_is_no_verdict_on_it(measured: tuple[Home, Done]) -> None:
    home, done = measured
    (verdict,) = done.document["verdicts"]
    assert verdict["verdict"] is None
    assert verdict["reason"] == f"it {EMBEDS}"
    shown = home.harness("show", "latest")
    assert "embedding throughput" in shown.stdout
    assert "no verdict: it is an embedding model" in " ".join(shown.stdout.split())
    assert "decode" not in shown.stdout


@pytest.mark.slow
def test_its_memory_was_foretold_to_the_byte(measured: tuple[Home, Done]) -> None:
    home, _ = measured
    pairs = home.harness("fit", "--audit", "--json").document["pairs"]
    memory = [pair for pair in pairs if pair["component"].endswith("_bytes")]
    assert memory == pairs  # no speed is predicted
    assert {pair["component"] for pair in pairs} >= {"weights_bytes", "compute_bytes"}
    assert all(pair["is_covered"] for pair in memory)


@pytest.mark.slow
def test_the_claim_is_about_models_that_write(home: Home) -> None:
    catalog = home.folder / "mine.yaml"
    catalog.write_text(
        "schema: 1\nmodels: [{name: mine, lab: Me, country: US, licence: null, architecture: bert,"
        " variants: []}]\n"
    )
    done = home.harness("claim", "--machine", "laptop-16", "--catalog", catalog)
    assert done.exit_code == 0, done.stderr
    assert f"Left out: mine {EMBEDS}." in " ".join(done.stdout.split())
    as_json = home.harness("claim", "--machine", "laptop-16", "--catalog", catalog, "--json")
    assert "mine" not in [row["model"] for row in as_json.document["rows"]]
    assert as_json.document["left_out"] == [f"Left out: mine {EMBEDS}."]


@pytest.mark.slow
@pytest.mark.parametrize("what", OTHER_KINDS)
def test_each_kind_is_measured_as_what_it_is(home: Home, tmp_path: Path, what: str) -> None:
    model: TinyModel = OTHER_KINDS[what]()
    path = model.write(tmp_path)

    done = home.harness("run", path, *MEASURE, "--json")
    assert done.exit_code == 0, done.stderr
    (case,) = done.document["cases"]
    assert (case["workload"], case["outcome"]["status"]) == ("pp512", "ok")
    assert done.document["verdicts"][0]["reason"] == f"it is {MODEL_KINDS[model.kind].text}"
    assert str(MODEL_KINDS[model.kind].throughput) in home.harness("show", "latest").stdout
    pairs = home.harness("fit", "--audit", "--json").document["pairs"]
    assert pairs
    assert all(pair["is_covered"] for pair in pairs)
    for arguments in (("run", path, "-w", "tg8"), ("quality", path), ("frontier", path)):
        assert home.harness(*arguments).exit_code == 2
    assert home.harness("rehearse", path, *MEASURE).exit_code == 0

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_model

from harness.schema.model import ModelFile
from harness.schema.model_kind import (
    MODEL_KINDS,
    ModelKind,
    kind_of,
    usual_workloads,
    workloads_of,
)

ASKED = ("pp512", "pp512@d4096", "tg128", "chat", "sustain60", "pp64")
OTHERS: tuple[ModelKind, ...] = tuple(kind for kind in MODEL_KINDS if kind != "generates")


@pytest.mark.parametrize(
    ("architecture", "is_causal", "pooling", "kind"),
    [
        ("llama", None, None, "generates"),
        ("llama", True, 0, "generates"),  # as the engine itself saves a model
        ("llama", True, -1, "generates"),
        ("qwen3", None, 3, "embeds"),  # Qwen3-Embedding
        ("qwen3", None, 4, "reranks"),  # Qwen3-Reranker
        ("llama", False, None, "embeds"),
        ("bert", False, 2, "embeds"),
        ("bert", None, None, "embeds"),
        ("bert", False, 4, "reranks"),  # bge-reranker
        ("gemma-embedding", None, 1, "embeds"),
        ("t5", None, None, "encoder-decoder"),
        ("t5encoder", None, None, "embeds"),
        ("dream", False, None, "diffuses"),
        ("dflash", False, None, "drafts"),
        ("wavtokenizer-dec", False, None, "speaks"),
        ("an architecture of tomorrow", None, None, "generates"),
    ],
)
def test_a_header_tells_what_a_model_does(
    architecture: str, is_causal: bool | None, pooling: int | None, kind: ModelKind
) -> None:
    assert kind_of(architecture, is_causal=is_causal, pooling=pooling) == kind


@given(st.text(), st.none() | st.booleans(), st.none() | st.integers())
def test_every_header_has_a_kind(
    architecture: str, is_causal: bool | None, pooling: int | None
) -> None:
    kind = kind_of(architecture, is_causal=is_causal, pooling=pooling)
    assert kind in MODEL_KINDS
    if is_causal is False:
        assert kind != "generates"


def test_every_kind_has_its_words() -> None:
    assert set(MODEL_KINDS) == set(get_args(ModelKind))
    for facts in MODEL_KINDS.values():
        assert facts.title.startswith(("a ", "an "))
        assert facts.text == f"{facts.title}, which {facts.does}"


@pytest.mark.parametrize("kind", OTHERS)
def test_only_reading_a_whole_text_is_measured_of_what_does_not_write(kind: ModelKind) -> None:
    can_read = MODEL_KINDS[kind].throughput is not None
    assert workloads_of(kind, ASKED) == (("pp512", "pp64") if can_read else ())
    assert workloads_of("generates", ASKED) == ASKED


def test_the_usual_workloads_are_those_that_one_of_the_models_can() -> None:
    assert usual_workloads(["generates"]) == ("pp512", "tg128", "chat")
    assert usual_workloads(["embeds", "encoder-decoder"]) == ("pp512",)
    assert usual_workloads(["embeds", "generates"]) == ("pp512", "tg128", "chat")
    assert usual_workloads(["drafts"]) == ()


@pytest.mark.parametrize(("architecture", "kind"), [("bert", "embeds"), ("llama", "generates")])
def test_a_record_from_before_there_were_kinds_is_read_by_its_architecture(
    architecture: str, kind: ModelKind
) -> None:
    stored = make_model(architecture=architecture).model_dump(mode="json")
    del stored["kind"]
    assert ModelFile.model_validate(stored).kind == kind


def test_what_a_record_says_of_the_kind_counts() -> None:
    stored = make_model(kind="reranks").model_dump_json()
    assert ModelFile.model_validate_json(stored).kind == "reranks"

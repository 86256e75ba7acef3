"""What can guess for a model, and what is refused before anything is measured."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.other_kinds import bert, decoder

from harness.errors import ModelNotFound, UsageError
from harness.measure.drafts import draft_keys, find_drafts, require_drafting
from harness.measure.subjects import Subjects
from harness.models.catalog.catalog import load_catalog
from harness.models.find import local_model
from harness.schema.settings import NGRAM

NOTHING = Subjects((), {})
TASKS = ("rewrite", "story")


def subjects(*paths: Path, key: str | None = None) -> Subjects:
    models = [local_model(path, key or path.stem) for path in paths]
    return Subjects(
        tuple(model.file for model in models),
        {model.file.key: path for model, path in zip(models, paths, strict=True)},
    )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return decoder("small", "generates", "llama").write(tmp_path_factory.mktemp("draft"))


def why(models: Subjects, drafts: Subjects, workloads: tuple[str, ...] = TASKS) -> str:
    with pytest.raises(UsageError) as refused:
        require_drafting(models, drafts, workloads)
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_drafts_are_found_by_their_names(tiny_model: Path) -> None:
    names = (NGRAM, str(tiny_model))
    found = find_drafts(names, load_catalog(()), lambda *_: None)
    assert draft_keys(names, found) == (NGRAM, found.models[0].key)
    assert found.paths[found.models[0].key] == tiny_model
    assert draft_keys((NGRAM,), find_drafts((NGRAM,), load_catalog(()), lambda *_: None)) == (
        NGRAM,
    )
    with pytest.raises(ModelNotFound, match="absent"):
        find_drafts(("absent.gguf",), load_catalog(()), lambda *_: None)
    with pytest.raises(UsageError, match="is a server; name a model file, or ngram"):
        find_drafts(("http://127.0.0.1:1",), load_catalog(()), lambda *_: None)


def test_what_fits_is_let_through(tiny_model: Path, small: Path) -> None:
    model = subjects(tiny_model)
    require_drafting(model, NOTHING, ("tg128", "story"))
    require_drafting(model, subjects(small), TASKS)
    require_drafting(model, model, TASKS)


def test_what_does_not_is_refused_in_a_line(tiny_model: Path, small: Path, tmp_path: Path) -> None:
    model, draft = subjects(tiny_model), subjects(small)
    assert why(model, draft, ("tg128", "pp512")) == (
        "--draft is measured in rewrite, extract, summary, question, story, and tg128,pp512 is "
        "none of them; take --workload tasks, or one of them"
    )
    assert why(draft, model).startswith("The draft tiny reads 9")
    assert why(draft, model).endswith(
        "guessing would take longer than writing; name a smaller draft"
    )
    encoder = subjects(bert().write(tmp_path))
    assert why(model, encoder).startswith("tiny-bert is an embedding model, which reads a text")
    assert "called tiny" in why(model, subjects(small, key="tiny"))


def test_a_draft_of_another_family_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    other = bert("other", "generates", attention__causal=True).write(tmp_path)
    path = tmp_path / "words.gguf"
    path.write_bytes(other.read_bytes())
    drafts = subjects(path)
    drafts = Subjects(
        tuple(it.model_copy(update={"kind": "generates"}) for it in drafts.models), drafts.paths
    )
    assert why(subjects(tiny_model), drafts) == (
        "words cannot guess for tiny: it has another kind of tokenizer; name a draft of the same "
        "family"
    )

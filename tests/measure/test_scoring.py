"""What is refused before anything is scored, and what is kept; workers are replaced by answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make.quality import make_chunks, make_record
from make.records import make_experiment, make_model

from harness.errors import ExitCode, HarnessError, NotComparable, UsageError
from harness.measure import score_memory, scoring
from harness.measure.jobs.score import Subject
from harness.measure.jobs.score_text import QualityText
from harness.measure.protocol import Event
from harness.measure.scoring import Scored, ScoreRequest, score_models
from harness.models.model import Model
from harness.records.quality import list_qualities
from harness.schema.outcome import Outcome
from harness.schema.quality import QualityRecord, Tokenization

TEXT = QualityText("bees.txt", b"The bees of my neighbour live on the roof.")
ENGINE = make_experiment().provenance.engine


class Observer:
    def __init__(self) -> None:
        self.said: list[str] = []

    def tell(self, message: str) -> None:
        self.said.append(message)

    @contextmanager
    def shown(self, title: str, n_chunks: int) -> Iterator[None]:
        self.said.append(f"{title}: {n_chunks}")
        yield

    def event(self, event: Event) -> None: ...

    def finished(self, record: QualityRecord) -> None:
        self.said.append(f"{record.model.key} done")


def model(key: str) -> Model:
    return Model(file=make_model(key=key), parts=(), origin="local", source=key, path=Path(key))


def subject(key: str, *, vocabulary: str = "v", n_tokens: int = 300) -> Subject:
    tokens = Tokenization(
        n_vocab=17,
        vocabulary_sha256=vocabulary,
        adds_bos=True,
        n_tokens=n_tokens,
        tokens_sha256="k",
    )
    return Subject(make_model(key=key), Path(key), Outcome(status="ok"), tokens, ENGINE)


def refused(key: str) -> Subject:
    outcome = Outcome(status="failed", reason="model-invalid", message="it is damaged")
    return Subject(make_model(key=key), Path(key), outcome, None, ENGINE)


@pytest.fixture
def score_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Scores subjects by their names; the results of `outcomes`, all well without."""

    def scored(
        subjects: list[Subject],
        reference: Subject | None = None,
        observer: Observer | None = None,
        outcomes: dict[str, Outcome] | None = None,
        **changes: Any,
    ) -> Scored:
        known = {it.file.key: it for it in [*subjects, *([reference] if reference else [])]}
        chunks, _ = make_chunks(np.random.default_rng(1))

        def score(it: Subject, base: Subject | None, *_: Any, **__: Any) -> QualityRecord:
            key = it.file.key
            outcome = (outcomes or {}).get(key)
            name = base.file.key if base else None
            return make_record(chunks, model=key, reference=name, outcome=outcome, identity=key)

        monkeypatch.setattr(scoring, "tokenized", lambda file, *_: known[file.key])
        monkeypatch.setattr(scoring, "score", score)
        request = ScoreRequest(TEXT, 64, 4, 1, tmp_path, {"n_threads": 1}, **changes)
        models = [model(it.file.key) for it in subjects]
        base = model(reference.file.key) if reference else None
        return score_models(request, models, base, observer or Observer())

    return scored


def test_every_model_is_kept_with_its_record(score_all: Any, tmp_path: Path) -> None:
    observer = Observer()
    scored = score_all([subject("a"), subject("b")], subject("base"), observer)
    assert [record.model.key for record, _ in scored.kept] == ["a", "b"]
    assert all(path.exists() for _, path in scored.kept)
    assert len(list_qualities(tmp_path)) == 2
    assert scored.exit_code == ExitCode.DONE
    assert observer.said == ["a against base: 4", "a done", "b against base: 4", "b done"]


def test_one_that_cannot_be_asked_is_told_and_the_others_are_scored(score_all: Any) -> None:
    scored = score_all([refused("bad"), subject("good")])
    assert [record.model.key for record, _ in scored.kept] == ["good"]
    assert [(it.model, it.message) for it in scored.failures] == [
        ("bad", "cannot be used: it is damaged")
    ]
    assert scored.exit_code == ExitCode.ERROR


def test_nothing_is_scored_before_all_may_be_compared(score_all: Any, tmp_path: Path) -> None:
    with pytest.raises(NotComparable):
        score_all([subject("a"), subject("b", vocabulary="w")], subject("base"))
    with pytest.raises(UsageError, match="has 63 tokens for b and one chunk takes 64"):
        score_all([subject("a"), subject("b", n_tokens=63)])
    with pytest.raises(HarnessError, match="The reference base cannot be used: it is damaged"):
        score_all([subject("a")], refused("base"))
    assert list_qualities(tmp_path) == []


def test_an_interruption_keeps_what_is_there_and_ends_it(score_all: Any) -> None:
    interrupted = Outcome(status="failed", reason="interrupted", message="interrupted")
    scored = score_all([subject("a"), subject("b")], outcomes={"a": interrupted})
    assert [record.model.key for record, _ in scored.kept] == ["a"]
    assert scored.exit_code == ExitCode.INTERRUPTED


def test_where_the_reference_is_spilled_is_said_first(
    score_all: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(score_memory, "fits_together", lambda *_: True)
    observer = Observer()
    score_all([subject("a")], subject("base"), observer, is_spilling=True)
    assert observer.said[0].startswith("a and base one after the other (--spill): ")
    assert str(tmp_path / "cache") in observer.said[0]

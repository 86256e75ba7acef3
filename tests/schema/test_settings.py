"""Every setting has one text, which means it and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.settings import SETTINGS

from harness.schema.settings import (
    FIELDS,
    NGRAM,
    ServedSettings,
    Settings,
    changes_text,
    difference_text,
    setting_text,
    settings_text,
    value_text,
)

SWEEPS = st.lists(SETTINGS, min_size=1, max_size=6, unique=True)


def means(text: str, settings: Settings) -> bool:
    """Whether every term of `text`, "threads 2, ctx auto", is so in `settings`."""
    terms = [term.split(" ", 1) for term in text.split(", ")]
    return all(setting_text(settings, FIELDS[name]) == value for name, value in terms)


@given(SWEEPS)
def test_the_text_of_settings_means_them_alone_among_others(sweep: list[Settings]) -> None:
    for settings in sweep:
        assert [it for it in sweep if means(settings_text(settings, sweep), it)] == [settings]


@given(SETTINGS, SETTINGS)
def test_what_changed_is_said_with_both_texts(a: Settings, b: Settings) -> None:
    text = changes_text(a, b)
    assert bool(text) == (a != b)
    for change in filter(None, text.split(", ")):
        name, values = change.split(" ", 1)
        assert values.split(" against ") == [setting_text(it, FIELDS[name]) for it in (a, b)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "auto"), ((), "auto"), (True, "on"), (("CUDA0", "CUDA1"), "CUDA0/CUDA1"),
     ((3.0, 1.5), "3/1.5"), (-1, "-1"), ("q8_0", "q8_0")],
)  # fmt: skip
def test_values_are_written_as_the_command_line_takes_them(value: object, text: str) -> None:
    assert value_text(value) == text


def test_settings_name_what_is_not_the_default() -> None:
    assert settings_text(Settings(n_threads=4)) == "threads 4"
    chosen = Settings(n_threads=4, repack=False, devices=("CUDA0", "CUDA1"), type_k="q8_0")
    assert settings_text(chosen) == "threads 4, device CUDA0/CUDA1, cache-type-k q8_0, repack off"


def test_what_a_server_does_not_have_is_no_difference_from_it() -> None:
    engine, server = Settings(n_threads=2), ServedSettings(n_ctx=4096, n_slots=4)
    assert settings_text(engine, [server]) == "threads 2, ctx auto"
    assert settings_text(server, [engine]) == "ctx 4096, slots 4"


def test_without_a_draft_nothing_is_said_of_how_far_it_guesses() -> None:
    plain = Settings(n_threads=2)
    ngram = Settings(n_threads=2, draft=NGRAM, draft_max=4)
    farther = Settings(n_threads=2, draft=NGRAM, draft_max=8)
    sweep = [plain, ngram, farther]
    assert [difference_text(each, sweep) for each in sweep] == [
        "draft none", "draft ngram, draft-max 4", "draft ngram, draft-max 8",
    ]  # fmt: skip
    assert difference_text(ngram, [plain, ngram]) == "draft ngram"
    assert settings_text(plain) == "threads 2"
    assert settings_text(plain, sweep) == "threads 2, draft none"
    assert changes_text(plain, ngram) == "draft none against ngram"
    assert changes_text(ngram, plain) == "draft ngram against none"
    assert changes_text(ngram, farther) == "draft-max 4 against 8"
    assert (plain.draft_model, ngram.draft_model) == (None, None)
    assert Settings(n_threads=1, draft="small", draft_max=1).draft_model == "small"

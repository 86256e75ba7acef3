from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.records import make_model

from harness.errors import UsageError
from harness.measure.schedule import (
    loading_order,
    settings_product,
    shuffled,
    shuffled_names,
    with_drafts,
)
from harness.schema.configuration import Configuration
from harness.schema.settings import NGRAM

LISTS = st.fixed_dictionaries(
    {
        "n_threads": st.lists(st.integers(1, 64), min_size=1, max_size=4),
        "flash_attn": st.lists(st.sampled_from(["auto", "on", "off"]), min_size=1, max_size=3),
        "repack": st.lists(st.booleans(), min_size=1, max_size=2),
    }
)


@given(LISTS)
def test_a_sweep_holds_every_combination_once(lists: dict[str, list[object]]) -> None:
    product = settings_product(lists)
    n_expected = int(np.prod([len(set(values)) for values in lists.values()]))
    assert len(product) == len(set(product)) == n_expected
    for settings in product:
        assert all(getattr(settings, name) in values for name, values in lists.items())


def test_what_is_not_swept_has_llama_benchs_defaults() -> None:
    (settings,) = settings_product({"n_threads": [2]})
    assert (settings.n_batch, settings.n_ubatch, settings.type_k) == (2048, 512, "f16")
    assert (settings.flash_attn, settings.n_gpu_layers, settings.load_mode) == ("auto", -1, "auto")


def test_settings_that_cannot_be_are_named() -> None:
    with pytest.raises(UsageError, match="n_threads"):
        settings_product({"n_threads": [0]})


def configurations(keys: list[str], n_threads: list[int]) -> list[Configuration]:
    settings = settings_product({"n_threads": n_threads})
    return [Configuration(make_model(key=key), each) for key in keys for each in settings]


@given(st.integers(1, 12), st.integers(0, 2**31))
def test_a_round_measures_every_configuration_once(n_models: int, seed: int) -> None:
    every = configurations([f"m{i}" for i in range(n_models)], [1, 2])
    order = list(shuffled(every, np.random.default_rng(seed)))
    assert len(every) == 2 * n_models
    assert set(order) == set(every)
    assert len(order) == len(every)
    assert order == list(shuffled(every, np.random.default_rng(seed)))


def test_rounds_differ_in_their_order() -> None:
    rng = np.random.default_rng(0)
    every = configurations(list("abcdefgh"), [1])
    orders = {tuple(each.model.key for each in shuffled(every, rng)) for _ in range(10)}
    assert len(orders) > 1


def test_workloads_of_a_run_are_shuffled_too() -> None:
    rng = np.random.default_rng(0)
    orders = {shuffled_names(("pp512", "tg128", "chat"), rng) for _ in range(50)}
    assert orders == {
        ("pp512", "tg128", "chat"),
        ("pp512", "chat", "tg128"),
        ("tg128", "pp512", "chat"),
        ("tg128", "chat", "pp512"),
        ("chat", "pp512", "tg128"),
        ("chat", "tg128", "pp512"),
    }


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6),
    st.integers(0, 3),
    st.integers(0, 2**31),
)
def test_each_loads_from_the_disk_as_often_as_asked_and_then_before_its_like(
    models: list[str], n_cold: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    n_rounds = n_cold * len(models) + 1
    times = dict.fromkeys(range(len(models)), 0)
    for number in range(n_rounds):
        order = loading_order(models, number, n_cold, rng)
        assert sorted(place for place, _ in order) == list(range(len(models)))
        loaded = set()
        for place, is_cold in order:
            assert not (is_cold and models[place] in loaded)
            loaded.add(models[place])
            times[place] += is_cold
    assert set(times.values()) == {n_cold}


def test_what_guesses_stands_beside_the_same_without_it() -> None:
    plain = settings_product({"n_threads": [1, 2]})
    found = with_drafts(plain, [NGRAM, "small"], [2, 4])
    told = [(each.n_threads, each.draft, each.draft_max) for each in found]
    assert told[:5] == [
        (1, None, None), (1, NGRAM, 2), (1, NGRAM, 4), (1, "small", 2), (1, "small", 4),
    ]  # fmt: skip
    assert len(found) == 10
    assert with_drafts(plain, [], [2, 4]) == plain

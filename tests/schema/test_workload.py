from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.schema.workload import CHAT_CONTEXT, SUSTAIN_SECONDS, Workload, parse_workload

WORKLOADS = st.one_of(
    st.builds(
        Workload,
        st.sampled_from(["pp", "tg"]),
        st.integers(1, 999_999),
        st.integers(0, 999_999),
    ),
    st.builds(Workload, st.just("sustain"), st.integers(1, 9_999)),
)


@given(WORKLOADS)
def test_a_name_reads_back_as_the_workload_it_names(workload: Workload) -> None:
    assert parse_workload(workload.name) == workload


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pp512", Workload("pp", 512)),
        ("TG128", Workload("tg", 128)),
        (" tg128 @ d4096 ", Workload("tg", 128, 4096)),
        ("sustain", Workload("sustain", SUSTAIN_SECONDS)),
        ("sustain5", Workload("sustain", 5)),
        ("chat", Workload("chat", 64)),
    ],
)
def test_workloads_are_written_as_llama_bench_prints_them(text: str, expected: Workload) -> None:
    assert parse_workload(text) == expected


@pytest.mark.parametrize(
    "text", ["", "pp", "pp0", "tg-1", "tg128@4096", "chat@d5", "sustain0", "pg512", "tg128@d0"]
)
def test_what_is_no_workload_says_how_they_are_written(text: str) -> None:
    with pytest.raises(ValueError, match="write pp512"):
        parse_workload(text)


@given(WORKLOADS)
def test_a_workload_never_needs_more_than_it_is_given(workload: Workload) -> None:
    assert 0 < workload.n_ctx_min <= workload.n_ctx


def test_context_is_what_llama_bench_gives() -> None:
    assert parse_workload("pp512").n_ctx == 512
    assert parse_workload("tg128@d4096").n_ctx == 4224
    assert parse_workload("chat").n_ctx == CHAT_CONTEXT

"""What the lines of a stream mean, without a server: each test writes the stream itself."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.fault_server import DONE, event, finish, sse, usage

from harness.endpoint.answer import read, words
from harness.endpoint.call import Api
from harness.endpoint.stream import Raw
from harness.schema.request import Request, RequestFailure

SENT_NS = 5_000
STEP_NS = 100


def raw(*pieces: bytes, **more: Any) -> Raw:
    """What came, a line each 100 ns."""
    lines = tuple(b"".join(pieces).splitlines(keepends=True))
    stamps = tuple(SENT_NS + STEP_NS * (number + 1) for number in range(len(lines)))
    given: dict[str, Any] = {
        "url": "http://127.0.0.1:1",
        "model": "tiny",
        "sent_ns": SENT_NS,
        "ended_ns": SENT_NS + STEP_NS * (len(lines) + 9),
        "connect_ns": 70,
        "status": 200,
        "lines": lines,
        "stamps_ns": stamps,
        "is_framed": True,
    }
    return Raw(**{**given, **more})


def answer(*pieces: bytes, api: Api = "openai", **more: Any) -> Request:
    return read(raw(*pieces, **more), api)


def reasoning(text: str, key: str) -> bytes:
    return sse({"choices": [{"delta": {key: text, "content": None}}]})


ROLE = sse({"choices": [{"delta": {"role": "assistant", "content": None}}]})
END = (finish("length"), usage(7, 3, 0), DONE)


def test_the_first_text_counts_and_what_comes_before_does_not() -> None:
    progress = sse({"choices": [], "prompt_progress": {"total": 9, "processed": 0}})
    found = answer(b":\n\n", ROLE, progress, event(""), event("Hi"), event(" you"), *END)

    # Nine lines come before that of "Hi": a comment, three events, and an empty line behind each.
    assert found.ttft_ns == 9 * STEP_NS
    assert found.gap_ns == (2 * STEP_NS,)
    assert (found.connect_ns, found.answer_ns, found.failure) == (70, None, None)


def test_an_answer_ends_with_its_last_line() -> None:
    found = answer(event("a"), *END)

    assert found.total_ns == 7 * STEP_NS
    assert (found.finish, found.n_prompt, found.n_cached, found.n_tokens) == ("length", 7, 0, 3)


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_is_the_first_text_and_the_answer_is_told_apart(key: str) -> None:
    found = answer(reasoning("Hm", key), reasoning("so", key), event("Hi"), event("!"), *END)

    assert (found.ttft_ns, found.answer_ns) == (STEP_NS, 5 * STEP_NS)
    assert found.n_events == 4


def test_text_of_plain_completions_and_of_parts_counts() -> None:
    plain = sse({"choices": [{"text": "Hi"}]})
    parts = sse({"choices": [{"delta": {"content": [{"type": "text", "text": "Hi"}]}}]})

    assert answer(plain, parts, *END).n_events == 2


@pytest.mark.parametrize("line_break", [b"\n", b"\r\n"])
@pytest.mark.parametrize("blank", [b"", b" "])
def test_every_way_to_write_a_line_is_read(line_break: bytes, blank: bytes) -> None:
    stream = (event("a") + event("b") + b"".join(END)).replace(b"data: ", b"data:" + blank)

    found = answer(stream.replace(b"\n", line_break))

    assert (found.n_events, found.n_tokens, found.failure) == (2, 3, None)


def test_an_event_in_several_lines_is_one() -> None:
    found = answer(b'data: {"choices":\ndata: [{"delta": {"content": "a"}}]}\n\n', *END)

    assert (found.n_events, found.ttft_ns) == (1, 2 * STEP_NS)


def test_two_documents_in_a_line_are_two_events() -> None:
    both = event("a").rstrip() + event("b").removeprefix(b"data: ")

    found = answer(both, *END)

    assert (found.n_events, found.gap_ns) == (2, (0,))


def test_events_without_empty_lines_between_are_told_apart() -> None:
    found = answer(*(event(text).rstrip(b"\n") + b"\n" for text in "abc"), b"\n", *END)

    assert (found.n_events, found.gap_ns) == (3, (STEP_NS, STEP_NS))


def test_a_mark_of_byte_order_and_unknown_fields_do_no_harm() -> None:
    found = answer(b"\xef\xbb\xbf", event("a"), b"retry: 5\nid: 3\nwhatever\n\n", *END)

    assert (found.n_events, found.ttft_ns, found.failure) == (1, STEP_NS, None)


TIMINGS = {
    "cache_n": 2,
    "prompt_n": 5,
    "prompt_ms": 12.5,
    "predicted_n": 3,
    "predicted_ms": 20.25,
    "draft_n": 8,
    "draft_n_accepted": 6,
}


def test_timings_of_llama_server_are_its_own_times() -> None:
    found = answer(event("a"), finish("length", timings=TIMINGS), DONE)

    assert found.server is not None
    assert (found.server.prompt_ns, found.server.n_prompt) == (12_500_000, 5)
    assert (found.server.decode_ns, found.server.n_tokens) == (20_250_000, 3)
    assert (found.server.n_draft, found.server.n_draft_accepted) == (8, 6)
    # Without usage they tell the counts too, the prompt's with what was cached.
    assert (found.n_prompt, found.n_cached, found.n_tokens) == (7, 2, 3)


def test_metrics_of_vllm_are_its_own_times() -> None:
    metrics = {"queue_time_ms": 1.0, "time_to_first_token_ms": 4.0, "mean_itl_ms": 2.0}
    counts = {"prompt_tokens": 7, "completion_tokens": 4}

    found = answer(event("a"), sse({"choices": [], "usage": counts, "metrics": metrics}), DONE)

    assert found.server is not None
    assert (found.server.queue_ns, found.server.prompt_ns) == (1_000_000, 3_000_000)
    assert (found.server.decode_ns, found.server.n_tokens) == (6_000_000, 4)


def test_a_server_that_tells_nothing_is_not_taken_for_one_that_tells_zero() -> None:
    found = answer(event("a"), finish(), DONE)

    assert found.server is None
    assert (found.n_prompt, found.n_cached, found.n_tokens) == (None, None, None)


@pytest.mark.parametrize("wrong", ["7", -1, 1.5, True, [7], {"n": 7}, None, 2**70])
def test_counts_of_a_wrong_type_are_not_known(wrong: object) -> None:
    counts = {"prompt_tokens": wrong, "completion_tokens": wrong, "prompt_tokens_details": wrong}
    found = answer(event("a"), sse({"choices": [], "usage": counts, "timings": wrong}), DONE)

    assert (found.n_prompt, found.n_cached, found.n_tokens) == (None, None, None)
    assert found.failure is None


# ------------------------------------------------------------------ what goes wrong


def why(found: Request) -> str:
    assert found.failure is not None
    assert "\n" not in found.failure.message
    return found.failure.reason


def test_an_answer_that_ends_before_it_is_done_is_cut() -> None:
    found = answer(event("a"), event("b"))

    assert why(found) == "cut"
    assert found.failure is not None
    assert "after 2 events" in found.failure.message
    # What came is kept: how fast it was until then is known.
    assert (found.n_events, found.ttft_ns) == (2, STEP_NS)


def test_without_a_known_length_only_the_end_mark_says_that_it_is_whole() -> None:
    assert answer(event("a"), finish()).failure is None
    assert why(answer(event("a"), finish(), is_framed=False)) == "cut"
    assert answer(event("a"), finish(), DONE, is_framed=False).failure is None


def test_half_a_line_is_no_event() -> None:
    found = answer(event("a"), event("b")[:20])

    assert (why(found), found.n_events) == ("cut", 1)


def test_nothing_of_an_answer_is_told_from_a_page_and_from_a_document() -> None:
    assert why(answer()) == "no-event"
    assert why(answer(b": keep-alive\n\n" * 3)) == "no-event"
    assert why(answer(ROLE, DONE)) == "no-event"
    assert why(answer(b"<!DOCTYPE html><title>Router</title>\n")) == "not-a-stream"
    assert why(answer(b'{"choices": []}')) == "not-a-stream"


def test_an_error_event_says_what_the_server_says() -> None:
    found = answer(event("a"), sse({"error": {"message": "out of \x1b[31mmemory", "code": 500}}))

    assert why(found) == "error-event"
    assert found.failure is not None
    assert found.failure.message == (
        "http://127.0.0.1:1 broke off with an error: out of [31mmemory"
    )
    assert found.n_events == 1
    assert why(answer(b"event: error\n", sse({"message": "no"}))) == "error-event"


def test_a_failure_on_the_way_is_kept_unless_the_answer_was_whole() -> None:
    silent = RequestFailure(reason="silent", message="sent nothing for 1 s")

    assert why(answer(event("a"), failure=silent)) == "silent"
    assert why(answer(failure=silent)) == "silent"
    assert answer(event("a"), *END, failure=silent).failure is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "refused"), (401, "refused"), (403, "refused"), (404, "refused"),
        (413, "refused"), (422, "refused"), (405, "http-error"), (418, "http-error"),
        (429, "rate-limited"), (500, "http-error"), (502, "http-error"), (503, "http-error"),
    ],
)  # fmt: skip
def test_a_status_has_a_reason_and_the_servers_own_words(status: int, reason: str) -> None:
    body = json.dumps({"error": {"message": "it is\nso", "type": "x"}}).encode()
    found = answer(body, status=status)

    assert why(found) == reason
    assert found.failure is not None
    assert found.failure.status == status
    assert "it is so" in found.failure.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "no such model"}', "no such model"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        (b'{"message": "busy"}', "busy"),
        (b"plain words", "plain words"),
        (b"<html><head><title>502 Bad Gateway</title>", "a page for a browser: 502 Bad Gateway"),
        (b"\xff\xfe\x00", "answered with status 500"),
        (b"", "answered with status 500"),
        (b"x" * 5000, "x" * 199 + "…"),
    ],
)
def test_words_of_a_server_are_found_in_any_wrapping(body: bytes, words: str) -> None:
    found = answer(body, status=500)

    assert found.failure is not None
    assert words in found.failure.message
    assert len(found.failure.message) < 280


def test_a_wrong_model_and_a_missing_key_are_said_as_that() -> None:
    missing = answer(b"{}", status=404).failure
    locked = answer(b"{}", status=401).failure
    wrong = answer(b"{}", status=403, secret="sk-123456789").failure

    assert missing
    assert "'tiny'" in missing.message
    assert locked
    assert "wants a key" in locked.message
    assert "--api-key-env" in locked.message
    assert wrong
    assert "does not take the key" in wrong.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("20", "in 20 s"),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "in 0 s"),
        ("soon", "allows no more requests now (status"),
        ("9" * 99, "allows no more requests now (status"),
    ],
)
def test_a_limit_says_when_to_come_again(value: str, words: str) -> None:
    found = answer(b"{}", status=429, headers={"retry-after": value})

    assert found.failure is not None
    assert words in found.failure.message


def test_a_key_that_the_server_repeats_is_not_passed_on() -> None:
    said = sse({"error": "Incorrect key sk-0123456789 for tiny"})
    short = sse({"error": "no EMPTY, but emptyEMPTY"})

    found = answer(said, secret="sk-0123456789").failure
    assert found
    assert "sk-01" not in found.message
    assert "Incorrect key [key] for tiny" in found.message
    other = answer(short, secret="EMPTY").failure
    assert other
    assert "no [key], but emptyEMPTY" in other.message
    assert "sk-0123456789" not in repr(raw(secret="sk-0123456789"))


# ------------------------------------------------------------------ Ollama's own chat


def line(**document: Any) -> bytes:
    return json.dumps(document).encode() + b"\n"


OLLAMA_END = line(
    message={"role": "assistant", "content": ""},
    done=True,
    done_reason="length",
    total_duration=9_000,
    load_duration=1_000,
    prompt_eval_count=10,
    prompt_eval_duration=2_000,
    eval_count=3,
    eval_duration=4_000,
)


def test_a_document_a_line_is_read_and_its_last_has_the_times() -> None:
    found = answer(
        line(message={"content": "", "thinking": "Hm"}),
        line(message={"content": "Hi"}),
        OLLAMA_END,
        api="ollama",
    )

    assert (found.ttft_ns, found.answer_ns) == (STEP_NS, 2 * STEP_NS)
    assert (found.finish, found.n_prompt, found.n_cached, found.n_tokens) == (
        "length", 10, None, 3,
    )  # fmt: skip
    assert found.server is not None
    assert (found.server.load_ns, found.server.prompt_ns) == (1_000, 2_000)
    assert (found.server.decode_ns, found.server.n_tokens) == (4_000, 3)
    # Its count holds cached tokens, and it does not say how many: so what was computed is unknown.
    assert found.server.n_prompt is None
    assert found.failure is None


def test_cached_tokens_are_taken_off_where_they_are_told() -> None:
    told = json.loads(OLLAMA_END) | {"prompt_eval_cached_count": 4}
    found = answer(line(message={"content": "Hi"}), line(**told), api="ollama")

    assert (found.n_prompt, found.n_cached) == (10, 4)
    assert found.server is not None
    assert found.server.n_prompt == 6


def test_a_document_a_line_can_break_off_too() -> None:
    text = line(message={"content": "Hi"})

    assert why(answer(text, api="ollama")) == "cut"
    assert why(answer(text, line(error="model runner has stopped"), api="ollama")) == "error-event"
    assert why(answer(text, OLLAMA_END[:30], api="ollama", is_framed=False)) == "cut"
    assert why(answer(b"<html>", api="ollama")) == "not-a-stream"


# ------------------------------------------------------------------ anything at all

KEYS = (
    "choices", "delta", "content", "reasoning", "thinking", "finish_reason", "done_reason", "done",
    "usage", "prompt_tokens", "completion_tokens", "prompt_tokens_details", "cached_tokens",
    "timings", "prompt_ms", "prompt_n", "metrics", "mean_itl_ms", "eval_count", "load_duration",
    "error", "message", "detail", "msg",
)  # fmt: skip
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
PIECES = st.lists(
    st.binary(max_size=30)
    | st.sampled_from([b"\n", b"data:", b"data: ", DONE, b"event: error\n", b":\n", b"\r\n"])
    | ANY_JSON.map(lambda value: sse(value) if value != "" else b"")
    | ANY_JSON.map(lambda value: json.dumps(value).encode() + b"\n"),
    max_size=12,
)


@given(PIECES, st.sampled_from(["openai", "ollama"]), st.sampled_from([None, 200, 204, 404, 500]))
def test_any_bytes_are_a_request(
    pieces: list[bytes], api: Literal["openai", "ollama"], status: int | None
) -> None:
    found = answer(*pieces, api=api, status=status)

    assert Request.model_validate_json(found.model_dump_json()) == found
    assert found.failure is not None or found.n_events > 0
    assert (found.ttft_ns is None) == (found.n_events == 0)
    if found.failure:
        assert found.failure.message.isprintable()


@given(st.text() | st.from_regex(r"\w{3}, \d{1,9} \w{3} \d{1,9} \d+:\d+:?\d* ?[-+]?\d*"))
def test_any_limit_is_said(value: str) -> None:
    found = answer(b"{}", status=429, headers={"retry-after": value})

    assert found.failure is not None
    assert found.failure.message.isprintable()


def test_the_time_of_sending_counts_from_the_trial() -> None:
    assert read(raw(event("a"), *END), "openai", since_ns=SENT_NS - 42).sent_ns == 42


def test_which_model_answered_is_kept_where_it_is_not_the_one_that_was_asked() -> None:
    assert answer(event("a", model="tiny"), *END).model is None
    assert answer(event("a"), *END).model is None
    assert answer(event("a", model="/models/Tiny.gguf"), *END).model is None
    assert answer(event("a", model="other"), event("b", model="tiny"), *END).model == "other"
    assert answer(event("a", model=["no", "name"]), *END).model is None
    line = sse({"model": "other", "message": {"content": "a"}, "done": True}).removeprefix(
        b"data: "
    )
    assert answer(line, api="ollama").model == "other"


def test_the_words_of_an_answer_are_told_as_they_came_without_its_thoughts() -> None:
    parts = sse({"choices": [{"delta": {"content": [{"text": " and"}, {"text": " parts"}]}}]})
    plain = sse({"choices": [{"text": "\n"}]})
    came = raw(ROLE, reasoning("hm", "reasoning_content"), event("two "), event("words"), parts,
               plain, DONE)  # fmt: skip
    assert words(came, "openai") == "two words and parts\n"
    lines = ('{"message": {"content": " of"}}\n', '{"message": {"thinking": "hm"}}\n',
             '{"message": {"content": " ollama"}, "done": true}\n')  # fmt: skip
    assert words(raw(*(line.encode() for line in lines)), "ollama") == " of ollama"
    assert words(raw(), "openai") == ""

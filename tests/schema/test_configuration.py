"""What is the same model in two experiments."""

from __future__ import annotations

import pytest
from make.records import make_model, make_served

from harness.schema.configuration import is_same_model, other_file, workloads_under
from harness.schema.model import ServedModel
from harness.schema.settings import NGRAM, ServedSettings, Settings


def served(**changes: object) -> ServedModel:
    of_server = {"url", "server", "version", "is_local"}
    made = make_served(sha256="b1" * 32)
    told = {name: value for name, value in changes.items() if name in of_server}
    rest = {name: value for name, value in changes.items() if name not in of_server}
    return made.model_copy(update={"served": made.served.model_copy(update=told), **rest})


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({}, True),
        ({"version": "b2"}, True),
        ({"url": "http://127.0.0.1:9999", "key": "smollm2@127.0.0.1:9999"}, True),
        ({"server": "ollama"}, False),
        ({"sha256": "c2" * 32}, False),
        ({"is_local": False, "url": "https://a.example"}, False),
    ],
)
def test_a_served_model_is_known_by_its_bytes_its_program_and_its_place(
    changes: dict[str, object], is_same: bool
) -> None:
    assert is_same_model(served(), served(**changes)) == is_same


def test_the_same_bytes_are_another_thing_here_and_at_a_server() -> None:
    assert not is_same_model(make_model(sha256="b1" * 32), served())


def test_two_servers_elsewhere_are_two() -> None:
    a, b = (served(is_local=False, url=f"https://{name}.example") for name in "ab")
    assert is_same_model(a, a)
    assert not is_same_model(a, b)


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, None),
        ({"sha256": "c2" * 32}, "sha256 b1b1b1b1 against c2c2c2c2"),
        ({"sha256": None}, None),
        ({"sha256": None, "quantization": "Q8_0"}, "quantization Q4_1 against Q8_0"),
        ({"sha256": None, "n_params": 9}, "n params 7 against 9"),
        ({"sha256": None, "n_bytes": None}, None),
    ],
)
def test_another_file_is_told_by_its_digest_else_by_what_servers_tell(
    changes: dict[str, object], how: str | None
) -> None:
    facts: dict[str, object] = {"quantization": "Q4_1", "n_params": 7, "n_bytes": 5}
    assert other_file(served(**facts), served(**{**facts, **changes})) == how


def test_where_tokens_are_guessed_only_texts_are_measured() -> None:
    names = ("tg128", "rewrite", "chat", "story")
    plain = Settings(n_threads=1)
    guessing = Settings(n_threads=1, draft=NGRAM, draft_max=2)
    assert workloads_under(make_model(), plain, names) == names
    assert workloads_under(make_model(), guessing, names) == ("rewrite", "story")
    of_server = ServedSettings(n_ctx=4096)
    assert workloads_under(served(), of_server, names) == ("rewrite", "chat", "story")

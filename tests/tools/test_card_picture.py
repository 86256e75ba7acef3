"""The card in the documentation is the one that `harness share` would make."""

from __future__ import annotations

from tools.card_picture import PICTURE, picture


def test_the_card_in_the_documentation_is_up_to_date() -> None:
    assert PICTURE.read_text("utf-8") == picture(), "run `python -m tools.card_picture`"

"""The picture of a report in the README is one of the report that is made today."""

from __future__ import annotations

from tools.report_picture import PICTURE, digest, source, source_of


def test_the_picture_of_a_report_is_up_to_date() -> None:
    assert source_of(PICTURE.read_bytes()) == digest(source()), "run `make reference`"

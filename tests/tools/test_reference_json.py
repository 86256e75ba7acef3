from __future__ import annotations

import re

import click
import pytest

from harness import cli
from tools.reference_json import DOCUMENTS, PAGE, page


def test_the_page_is_what_the_types_say() -> None:
    # Otherwise: make reference
    assert PAGE.read_text("utf-8") == page()


def test_every_command_has_its_document_on_the_page() -> None:
    named = set(re.findall(r"(?:^|harness )([a-z]+)", "\n".join(DOCUMENTS), re.MULTILINE))
    assert named == set(cli.group.list_commands(click.Context(cli.group)))


def test_every_link_leads_to_a_section() -> None:
    text = page()
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    local_results = {re.sub(r"[^\w -]", "", it).lower().replace(" ", "-") for it in headings}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= local_results


@pytest.mark.parametrize("key", ["value", "low", "high", "n", "unit", "kind"])
def test_the_page_says_what_each_key_of_a_figure_holds(key: str) -> None:
    figure = page().partition("## Metrics")[0]
    assert f"`{key}`" in figure

"""What records may call a model that somebody names otherwise today."""

from __future__ import annotations

from harness.errors import HarnessError
from harness.models.catalog.catalog import load_catalog
from harness.models.hub.files import HubReference
from harness.models.resolve import FileHere, is_of_one_file, resolve


def names_in_records(text: str) -> set[str]:
    """
    What records may call the model that `text` names, as far as that is known here.

    Reads the catalogue, which takes some tenths of a second. Nothing for a quantization, or a word
    that means no model: whoever asks says so.
    """
    try:
        catalog = load_catalog()
        located = resolve(text, catalog)
    except HarnessError:
        return set()
    if isinstance(located, FileHere):
        # Earlier versions called what was made here by its file.
        return {located.key, located.path.name}
    if isinstance(located, HubReference):
        return {str(located)}
    return {located.key if is_of_one_file(text, located, catalog) else located.spec.name}

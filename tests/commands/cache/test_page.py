from __future__ import annotations

from pathlib import Path

from harness.commands.cache.page import CacheResult, page
from harness.models.cache import Kept
from harness.report.formats import FORMATS

REPOSITORY = Kept("lab/model", "repository", 5_000_000, 3, Path("/hub/models--lab--model"))
PARTIAL = Kept("lab/model.part", "partial", 1_000_000, 1, Path("/hub/models--lab--model"))
RESULT = CacheResult([REPOSITORY, PARTIAL], Path("/hub"), Path("/own"))


def test_what_is_unfinished_is_shown_and_not_counted_twice() -> None:
    assert FORMATS["plain"](page(RESULT)) == (
        "name               size\n"
        "--------------  -------  -----------------------------\n"
        "lab/model       5.00 MB  hub\n"
        "lab/model.part  1.00 MB  unfinished, counted above too\n"
        "\n"
        "5.00 MB in /hub and /own"
    )


def test_an_empty_cache_has_no_table() -> None:
    empty = CacheResult([], Path("/hub"), Path("/own"))
    assert FORMATS["plain"](page(empty)) == "0 B in /hub and /own"


def test_programs_get_bytes_and_paths() -> None:
    assert FORMATS["csv"](page(RESULT)).splitlines()[:2] == [
        "name,n_bytes,kind,n_files,path",
        f"lab/model,5000000,repository,3,{REPOSITORY.path}",
    ]

from __future__ import annotations

import hashlib
import os
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FetchFailed
from harness.models.hub.files import (
    Digest,
    HubReference,
    is_safe,
    parse_reference,
    require_commit,
    require_digest,
    require_safe,
)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("owner/repo", HubReference("owner/repo", None)),
        ("owner/repo-GGUF:Q4_K_M", HubReference("owner/repo-GGUF", "Q4_K_M")),
        ("o.w-n_er/re.po:ud-q4_k_xl", HubReference("o.w-n_er/re.po", "ud-q4_k_xl")),
        ("owner", None),
        ("a/b/c", None),
        ("owner/repo:", None),
        ("owner/repo:../x", None),
        ("../repo", None),
        ("owner/..", None),
        ("ow--ner/repo", None),
        ("owner/repo.git", None),
        ("owner/" + "r" * 100, None),
        ("öwner/repo", None),
    ],
)
def test_a_reference_is_owner_and_repository(text: str, reference: HubReference | None) -> None:
    assert parse_reference(text) == reference
    assert reference is None or str(reference) == text


@pytest.mark.parametrize(
    "path",
    ["m.gguf", "Q4_K_M/m-00001-of-00002.gguf", "a/b/c.gguf", "m (1).gguf", "模型.gguf", ".m.gguf"],
)
def test_ordinary_names_are_safe(path: str) -> None:
    assert is_safe(path)
    assert require_safe(path, "o/r") == path


@pytest.mark.parametrize(
    "path",
    [
        "", "..", "../m.gguf", "a/../../m.gguf", "/etc/m.gguf", "//host/m.gguf", "a//m.gguf",
        "C:/m.gguf", "C:m.gguf", "m.gguf:stream", "..\\m.gguf", "a\\m.gguf", "\\\\host\\m.gguf",
        "a\0.gguf", "a\n.gguf", "a\x1b[31m.gguf", "a\x7f.gguf", "a\u202egguf.exe", "./m.gguf",
        "a/./m.gguf", "a./m.gguf", "m.gguf ", "m.gguf.", "con.gguf", "a/NUL", "lpt1.gguf",
        "m?.gguf", "m*.gguf", "x" * 256, "\ud800.gguf",
    ],
)  # fmt: skip
def test_names_that_could_lead_elsewhere_are_refused(path: str) -> None:
    assert not is_safe(path)
    with pytest.raises(FetchFailed, match="o/r lists a file under the unsafe name") as caught:
        require_safe(path, "o/r")
    assert str(caught.value).isprintable()


@given(st.text(alphabet=st.sampled_from("ab./\\:~\0 C"), max_size=12))
def test_what_is_safe_stays_below_its_folder_on_every_system(path: str) -> None:
    if not is_safe(path):
        return
    assert os.path.normpath(f"/root/{path}").startswith("/root/")
    windows = PureWindowsPath("C:/root") / path
    assert windows.is_relative_to("C:/root")
    assert ".." not in windows.parts
    assert Path("/root", path).name == path.rsplit("/", 1)[-1]


def test_only_a_commit_becomes_a_folder() -> None:
    assert require_commit("a" * 40, "o/r") == "a" * 40
    for bad in (None, "", "main", "../" + "a" * 37, "A" * 40, 5):
        with pytest.raises(FetchFailed, match="no commit"):
            require_commit(bad, "o/r")


def test_only_a_digest_becomes_a_blobs_name() -> None:
    assert require_digest("a" * 64, "b" * 40, "m") == Digest("sha256", "a" * 64)
    assert require_digest(None, "b" * 40, "m") == Digest("git-sha1", "b" * 40)
    for sha256, git_sha1 in (("../../x", "b" * 40), (None, "../x"), (None, None), ("a", None)):
        with pytest.raises(FetchFailed, match="states no digest"):
            require_digest(sha256, git_sha1, "m")


def test_gits_object_id_is_computed_as_git_does() -> None:
    # `printf 'hello\n' | git hash-object --stdin`
    hasher = Digest("git-sha1", "").hasher(6)
    hasher.update(memoryview(b"hello\n"))
    assert hasher.hexdigest() == "ce013625030ba8dba906f756967f9e9ca394464a"
    hasher = Digest("sha256", "").hasher(6)
    hasher.update(memoryview(b"hello\n"))
    assert hasher.hexdigest() == hashlib.sha256(b"hello\n").hexdigest()

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.models.hub.files import Digest
from harness.models.hub.following_hash import FollowingHash

_SHA256 = Digest("sha256", "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(st.lists(st.integers(1, 3 << 20), min_size=1, max_size=4), st.integers(0, 2 << 20))
def test_however_a_file_grows_its_hash_is_that_of_all_of_it(
    tmp_path: Path, pieces: list[int], n_before: int
) -> None:
    path, n_total = tmp_path / "f", n_before + sum(pieces)
    content = (bytes(range(251)) * (n_total // 251 + 1))[:n_total]
    path.write_bytes(content[:n_before])
    with path.open("ab", buffering=0) as file, FollowingHash(path, _SHA256, n_total) as following:
        following.reach(n_before)
        n_done = n_before
        for piece in pieces:
            file.write(content[n_done : n_done + piece])
            n_done += piece
            following.reach(n_done)
        assert following.wait(30)
        assert following.hexdigest() == hashlib.sha256(content).hexdigest()


def test_it_is_not_done_before_all_is_written_and_can_be_ended_early(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(5 << 20))
    following = FollowingHash(path, _SHA256, 6 << 20)
    following.reach(5 << 20)
    assert not following.wait(0.05)
    following.close()
    assert following.wait(0)


def test_a_file_cut_behind_its_back_is_an_error_and_no_digest(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(100))
    with FollowingHash(path, _SHA256, 200) as following:
        following.reach(200)
        assert following.wait(10)
        with pytest.raises(OSError, match="became shorter"):
            following.hexdigest()

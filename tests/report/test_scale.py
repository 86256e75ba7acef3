"""How long a name may be in a picture."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from harness.report.drawing.scale import cut, width_px


@given(st.text(max_size=300), st.floats(40, 600), st.sampled_from((12, 13)))
def test_a_name_that_is_cut_fits_and_one_that_fits_is_whole(
    text: str, room_px: float, size: int
) -> None:
    shown = cut(text, room_px, size)
    assert width_px(shown, size) <= room_px
    assert (shown == text) == (width_px(text, size) <= room_px)


def test_both_ends_of_a_name_stay() -> None:
    shown = cut("gemma-3-270m-q4_k_m.gguf · draft none · 2026-11-29 21:15", 196, 12)
    assert shown.startswith("gemma-3-270m")
    assert shown.endswith("21:15")
    assert "…" in shown

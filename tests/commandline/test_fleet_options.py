from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.commandline.fleet_options import host_names, listen_address


def test_hosts_are_names_with_commas_between() -> None:
    assert host_names("laptop, me@studio,local") == ("laptop", "me@studio", "local")


@pytest.mark.parametrize("text", ["", "a,", "a,a", "-F,a", "a b", "a;reboot", "$(x)", "a/b"])
def test_what_is_no_list_of_hosts_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no host|named twice"):
        host_names(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("10.0.0.5", ("10.0.0.5", 0)),
        ("10.0.0.5:8786", ("10.0.0.5", 8786)),
        ("studio.local:1", ("studio.local", 1)),
        ("[fd00::5]", ("fd00::5", 0)),
        ("[fd00::5]:8786", ("fd00::5", 8786)),
    ],
)
def test_an_address_has_a_port_or_any(text: str, found: tuple[str, int]) -> None:
    assert listen_address(text) == found


@pytest.mark.parametrize("text", ["", ":1", "a:", "a:b", "a:65536", "a:1:2", "[x]:1", "-a", "a b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no address"):
        listen_address(text)


@given(st.text(max_size=30))
def test_any_text_is_hosts_that_no_shell_and_no_option_reader_minds_or_is_refused(
    text: str,
) -> None:
    try:
        hosts = host_names(text)
    except ValueError:
        return
    for host in hosts:
        assert host[0] != "-"
        assert not set(host) & set(" \t\n'\"$`;&|<>()\\/*?~#")

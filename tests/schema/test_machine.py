from __future__ import annotations

from make.records import make_machine

from harness.schema.machine import MachineFacts


def test_a_containers_limit_binds_what_programs_may_take() -> None:
    assert make_machine(memory_bytes=8 << 30).usable_bytes == 8 << 30
    assert make_machine(memory_bytes=8 << 30, memory_limit_bytes=2 << 30).usable_bytes == 2 << 30
    assert make_machine(memory_bytes=8 << 30, memory_limit_bytes=9 << 30).usable_bytes == 8 << 30
    assert MachineFacts(id="a", cpu="b").usable_bytes is None

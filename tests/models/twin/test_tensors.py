from __future__ import annotations

import numpy as np

from harness.models.gguf.header import Tensor
from harness.models.twin.stocks import Stocks


def test_a_table_of_experts_names_different_ones_for_each_token() -> None:
    tensor = Tensor("blk.0.ffn_gate_tid2eid.weight", (4, 512), "I32", 4 * 512 * 4)
    data = b"".join(Stocks(np.random.default_rng(1), n_expert=16).pieces(tensor))
    rows = np.frombuffer(data, dtype="<i4").reshape(512, 4).tolist()
    assert all(len(set(row)) == 4 for row in rows)
    assert {expert for row in rows for expert in row} == set(range(16))

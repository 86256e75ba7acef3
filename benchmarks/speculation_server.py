"""
xllamacpp's llama-server with a draft model, until its stdin ends.

    python -m benchmarks.speculation_server JSON

The JSON has what harness/serving/wheel_server.py takes, "draft" (a path) and "draft_max".
"""

from __future__ import annotations

import json
import os
import sys

from harness.serving.wheel_server import parameters


def main() -> None:
    import xllamacpp

    told = json.loads(sys.argv[1])
    params = parameters(xllamacpp, told)
    kinds = xllamacpp.common_speculative_type
    params.speculative.types = [kinds.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    draft = params.speculative.draft
    draft.mparams.path = told["draft"]
    # All guesses, however unsure, as ours.
    draft.n_max, draft.n_min, draft.p_min = told["draft_max"], 0, 0.0
    draft.cpuparams.n_threads = draft.cpuparams_batch.n_threads = told["n_threads"]
    server = xllamacpp.Server(params)
    while os.read(0, 4096):
        pass
    del server


if __name__ == "__main__":
    main()

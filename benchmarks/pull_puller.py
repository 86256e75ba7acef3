"""
One download in a process of its own; started by benchmarks.pull.

    HF_ENDPOINT=… HF_HOME=… HARNESS_CACHE=… python -m benchmarks.pull_puller harness|hf_hub_download
"""

from __future__ import annotations

import json
import sys
from time import perf_counter_ns

from huggingface_hub import hf_hub_download
from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]

from harness.machine.memory import read_memory
from harness.models.catalog.catalog import load_catalog
from harness.models.hub.download import download
from harness.models.hub.files import HubReference
from harness.models.hub.listing import ask_hub
from harness.models.hub.plan import request_of

REPOSITORY = "owner/big"
FILE = "big-Q8_0.gguf"


def main() -> None:
    catalog = load_catalog()
    disable_progress_bars()
    started_ns = perf_counter_ns()
    if sys.argv[1] == "harness":
        plan = ask_hub(request_of(HubReference(REPOSITORY, "Q8_0")), lambda _: None, catalog)
        download([plan], lambda _: None)
    else:
        hf_hub_download(REPOSITORY, FILE)
    wall_ns = perf_counter_ns() - started_ns
    print(json.dumps({"wall_ns": wall_ns, "peak_bytes": read_memory("end").peak_bytes}))


if __name__ == "__main__":
    main()

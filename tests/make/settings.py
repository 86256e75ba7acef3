"""Makes any Settings that a command line can ask for."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.schema.cache_types import CACHE_TYPES
from harness.schema.settings import NGRAM, Settings

_COUNTS = st.integers(1, 1 << 20)
_DEVICES = st.lists(
    st.sampled_from(("CUDA0", "CUDA1", "Vulkan0", "Metal", "RPC[10.0.0.2:50052]")), max_size=3
)
_SERVERS = st.sampled_from(("127.0.0.1:50052", "10.0.0.2:50052", "studio.local:7000"))
_SHARES = st.floats(0, 1e6, allow_nan=False)

_DRAFTS = st.just((None, None)) | st.tuples(
    st.sampled_from((NGRAM, "smollm2-135m:Q4_1")), st.integers(1, 64)
)


def _with_draft(settings: Settings, draft: tuple[str | None, int | None]) -> Settings:
    return settings.model_copy(update={"draft": draft[0], "draft_max": draft[1]})


_ENGINE_SETTINGS = st.builds(
    Settings,
    n_threads=_COUNTS,
    n_batch=_COUNTS,
    n_ubatch=_COUNTS,
    n_ctx=st.none() | _COUNTS,
    n_gpu_layers=st.integers(-1, 200),
    n_cpu_moe=st.integers(0, 200),
    devices=_DEVICES.map(tuple),
    split_mode=st.sampled_from(("none", "layer", "row", "tensor")),
    main_gpu=st.integers(0, 8),
    tensor_split=st.lists(_SHARES, max_size=3).map(tuple),
    flash_attn=st.sampled_from(("auto", "on", "off")),
    type_k=st.sampled_from(tuple(CACHE_TYPES)),
    type_v=st.sampled_from(tuple(CACHE_TYPES)),
    load_mode=st.sampled_from(("auto", "none", "mmap", "mlock", "mmap+mlock", "direct-io")),
    repack=st.booleans(),
    rpc=st.lists(_SERVERS, max_size=2, unique=True).map(tuple),
)
SETTINGS = st.builds(_with_draft, _ENGINE_SETTINGS, _DRAFTS)

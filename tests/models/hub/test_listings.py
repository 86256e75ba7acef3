"""What is taken of repositories as their makers lay them out, and which files are passed over."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ModelNotFound
from harness.models.gguf.companions import companions
from harness.models.gguf.file_name import model_name, quantization_of, stem
from harness.models.hub.choice import choose
from harness.models.hub.files import Digest, HubFile, HubReference, parse_reference

MB = 1_000_000


@dataclass(frozen=True)
class Listing:
    """Files with their megabytes; `companions` are those that are no models."""

    repo: str
    models: dict[str, int]
    companions: dict[str, int]

    @property
    def files(self) -> list[HubFile]:
        sizes = self.models | self.companions
        return [
            HubFile(path, n * MB, Digest("sha256", f"{index:064x}"))
            for index, (path, n) in enumerate(sizes.items())
        ]


LISTINGS = (
    Listing(
        "unsloth/gemma-4-E4B-it-GGUF",
        {
            "gemma-4-E4B-it-Q4_K_M.gguf": 4980,
            "gemma-4-E4B-it-Q8_0.gguf": 8190,
            "gemma-4-E4B-it-UD-Q4_K_XL.gguf": 5130,
            "gemma-4-E4B-it-BF16.gguf": 15100,
        },
        {
            "mmproj-BF16.gguf": 990,
            "mmproj-F16.gguf": 990,
            "mmproj-F32.gguf": 1910,
            "gemma-4-E4B-it-assistant-BF16.gguf": 160,
            "gemma-4-E4B-it-assistant-Q8_0.gguf": 90,
            "imatrix_unsloth.gguf": 4,
        },
    ),
    Listing(
        "unsloth/GLM-4.6-GGUF",
        {
            "Q4_K_M/GLM-4.6-Q4_K_M-00001-of-00002.gguf": 49900,
            "Q4_K_M/GLM-4.6-Q4_K_M-00002-of-00002.gguf": 42000,
            "UD-IQ1_S/GLM-4.6-UD-IQ1_S-00001-of-00002.gguf": 49900,
            "UD-IQ1_S/GLM-4.6-UD-IQ1_S-00002-of-00002.gguf": 30000,
        },
        {"MTP/GLM-4.6-Q4_K_M.gguf": 900, "MTP/GLM-4.6-BF16.gguf": 3100},
    ),
    Listing(
        "bartowski/zai-org_GLM-4.5-MTP-GGUF",
        {"zai-org_GLM-4.5-MTP-Q4_K_M.gguf": 60000, "zai-org_GLM-4.5-MTP-Q8_0.gguf": 99000},
        {"zai-org_GLM-4.5-MTP-imatrix.gguf": 300, "mtp-GLM-4.5-MTP-Q8_0.gguf": 900},
    ),
    Listing(
        "bartowski/Qwen_Qwen3-8B-GGUF",
        {
            "Qwen_Qwen3-8B-Q4_K_M.gguf": 5030,
            "Qwen_Qwen3-8B-Q4_K_L.gguf": 5500,
            "Qwen_Qwen3-8B-bf16.gguf": 16390,
        },
        {"Qwen_Qwen3-8B.imatrix.gguf": 5},
    ),
    Listing(
        "ggml-org/gpt-oss-20b-GGUF",
        {"gpt-oss-20b-mxfp4.gguf": 12110},
        {"eagle3-gpt-oss-20b-Q8_0.gguf": 900, "dflash-gpt-oss-20b-BF16.gguf": 1600},
    ),
    Listing(
        "lmstudio-community/EAGLE-7B-GGUF",
        {"EAGLE-7B-Q4_K_M.gguf": 4300, "EAGLE-7B-Q8_0.gguf": 7700},
        {"mmproj-model-f16.gguf": 620},
    ),
    Listing(
        "mradermacher/EAGLE-7B-i1-GGUF",
        {"EAGLE-7B.i1-Q4_K_M.gguf": 4300, "EAGLE-7B.i1-IQ2_XS.gguf": 2300},
        {},
    ),
    Listing(
        "jukofyork/draft-qwen-GGUF",
        {"draft-qwen-0.6B-Q4_0.gguf": 370, "draft-qwen-0.6B-Q8_0.gguf": 640},
        {},
    ),
    Listing(
        "someone/eagle-and-other-heads",
        {"eagle3-llama-Q8_0.gguf": 900, "mtp-qwen-Q4_0.gguf": 800},
        {},
    ),
    Listing(
        "lmstudio-community/Qwen3.6-27B-MTP-GGUF",
        {"Qwen3.6-27B-MTP-Q4_K_M.gguf": 17000, "Qwen3.6-27B-MTP-Q8_0.gguf": 29000},
        {"mmproj-Qwen3.6-27B-MTP-BF16.gguf": 930},
    ),
    Listing(
        "ggml-org/Qwen3.6-27B-GGUF",
        {"Qwen3.6-27B-Q4_K_M.gguf": 16500, "Qwen3.6-27B-Q8_0.gguf": 28600},
        {"Qwen3.6-27B-Q8_0-MTP.gguf": 460, "mmproj-Qwen3.6-27B-Q8_0.gguf": 500},
    ),
    # One that holds the further layers too is larger than one that does not: a model.
    Listing(
        "someone/Step-GGUF",
        {"Step-Q4_K_M.gguf": 9000, "Step-MTP-Q4_K_M.gguf": 9500, "Step-Q8_0.gguf": 15000},
        {"Step-draft-Q4_K_M.gguf": 400},
    ),
    Listing("koboldcpp/mmproj", {"llama-mmproj-f16.gguf": 600, "qwen-mmproj-f16.gguf": 700}, {}),
)
EACH = pytest.mark.parametrize("listing", LISTINGS, ids=[each.repo for each in LISTINGS])


@EACH
def test_companions_are_passed_over_and_models_are_not(listing: Listing) -> None:
    sizes = {file.path: file.n_bytes for file in listing.files}
    passed = {each.path for each in companions(sizes, model_name(listing.repo))}
    assert passed == set(listing.companions)


@EACH
def test_every_quantization_means_its_model(listing: Listing) -> None:
    firsts = [path for path in listing.models if "-00002-of-" not in path]
    for quantization in {quantization_of(path) for path in firsts} - {None}:
        of_it = [path for path in firsts if quantization_of(path) == quantization]
        plain = [path for path in of_it if stem(path).lower() in _plain_names(listing, of_it)]
        if len(of_it) > 1 and len(plain) != 1:
            continue
        found = choose(HubReference(listing.repo, quantization), listing.files)
        assert found.name == (plain or of_it)[0]
        assert {each.path for each in found.passed_over} == set(listing.companions)


def _plain_names(listing: Listing, paths: list[str]) -> set[str]:
    name = model_name(listing.repo).lower()
    return {f"{name}-{str(quantization_of(path)).lower()}" for path in paths}


@EACH
def test_a_whole_file_name_always_takes_its_file(listing: Listing) -> None:
    for path in listing.models | listing.companions:
        if "-00002-of-" in path:
            continue
        for written in (path, path.removesuffix(".gguf")):
            reference = parse_reference(f"{listing.repo}:{written}")
            assert reference is not None
            assert choose(reference, listing.files).name == path


def test_who_asks_in_vain_is_told_what_was_passed_over_and_why() -> None:
    gemma = LISTINGS[0]
    with pytest.raises(ModelNotFound) as caught:
        choose(HubReference(gemma.repo, "F32"), gemma.files)
    message = str(caught.value)
    assert "mmproj-F32.gguf (projector)" in message
    assert "gemma-4-E4B-it-assistant-Q8_0.gguf (drafts tokens)" in message
    assert "imatrix_unsloth.gguf (statistics)" in message
    assert message.endswith("a whole file name takes one of them")


def test_of_a_part_of_a_repository_no_companion_is_taken_for_its_model() -> None:
    head = [HubFile("mtp-GLM-4.6-Q8_0.gguf", MB, None)]
    reference = HubReference("unsloth/GLM-4.6-GGUF", "Q8_0")
    with pytest.raises(ModelNotFound, match=r"mtp-GLM-4.6-Q8_0.gguf \(drafts tokens\)"):
        choose(reference, head, is_whole=False)
    named = HubReference("unsloth/GLM-4.6-GGUF", "mtp-GLM-4.6-Q8_0")
    assert choose(named, head, is_whole=False).name == head[0].path


_WORDS = st.sampled_from(
    ["mtp", "MTP", "eagle", "EAGLE3", "draft", "dflash", "assistant", "mmproj", "imatrix", "GLM",
     "4.5", "7B", "Q4_0", "Q8_0", "q4_k_m", "v2", "UD-Q2_K_XL"]
)  # fmt: skip
_NAMES = st.lists(_WORDS, min_size=1, max_size=4).map("-".join)
_PATHS = st.builds("{}{}.gguf".format, st.sampled_from(["", "MTP/", "Q8_0/"]), _NAMES)
_SIZES = st.dictionaries(_PATHS, st.integers(1, 100), min_size=1, max_size=7)


@given(_SIZES, _NAMES)
def test_never_is_everything_passed_over(sizes: dict[str, int], name: str) -> None:
    passed = companions(sizes, model_name(f"owner/{name}-GGUF"))
    assert {each.path for each in passed} < set(sizes)


@given(_SIZES, _NAMES, st.booleans(), st.data())
def test_whatever_is_listed_a_whole_name_takes_its_file(
    sizes: dict[str, int], name: str, is_whole: bool, data: st.DataObject
) -> None:
    files = [
        HubFile(path, n_bytes, Digest("sha256", f"{index:064x}"))
        for index, (path, n_bytes) in enumerate(sizes.items())
    ]
    wanted = data.draw(st.sampled_from(sorted(sizes)))
    reference = HubReference(f"owner/{name}-GGUF", wanted)
    assert choose(reference, files, is_whole=is_whole).name == wanted

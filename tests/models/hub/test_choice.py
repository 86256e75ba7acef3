from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ModelNotFound
from harness.models.gguf.file_name import quantization_of
from harness.models.gguf.shards import shard_name
from harness.models.hub.choice import Chosen, Hint, choose
from harness.models.hub.files import Digest, HubFile, HubReference


def files(*paths: str) -> list[HubFile]:
    """Files of different sizes and digests."""
    return [
        HubFile(path, 100 + index, Digest("sha256", f"{index:064x}"))
        for index, path in enumerate(paths)
    ]


def chosen(wanted: str | None, *paths: str, hint: Hint = Hint()) -> list[str]:  # noqa: B008
    found = choose(HubReference("owner/Model-GGUF", wanted), files(*paths), hint)
    return [file.path for file in found.files]


def complaint(wanted: str | None, *paths: str) -> str:
    with pytest.raises(ModelNotFound) as caught:
        chosen(wanted, *paths)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "quantization"),
    [
        ("gpt-oss-20b-MXFP4.gguf", "MXFP4"),
        ("gpt-oss-20b-mxfp4.gguf", "MXFP4"),
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("qwen2.5-0.5b-instruct-fp16.gguf", "F16"),
        ("DeepSeek-V3.1-UD-TQ1_0.gguf", "UD-TQ1_0"),
        ("UD-Q4_K_XL/Kimi-K2-Thinking-UD-Q4_K_XL-00001-of-00014.gguf", "UD-Q4_K_XL"),
        ("BF16/model-00001-of-00002.gguf", "BF16"),
        ("Model.i1-IQ3_XXS.gguf", "IQ3_XXS"),
        ("mistral-7b-instruct-v0.2.Q5_K_S.gguf", "Q5_K_S"),
        ("gemma-3-27b-it-qat-q4_0.gguf", "Q4_0"),
        ("Model-MXFP4_MOE.gguf", "MXFP4_MOE"),
        ("Model-QAT-Q4_0-Q8_0.gguf", "Q8_0"),
        ("model-q4_k_m_v2.gguf", "Q4_K_M"),
        ("Model-Q4_0_4_8.gguf", "Q4_0_4_8"),
        ("Model-IQ4_KS_R4.gguf", "IQ4_KS_R4"),
        ("Model-Q6_K_L.gguf", "Q6_K_L"),
        ("tinyllamas/stories260K.gguf", None),
        ("Qwen3-30B-A3B.gguf", None),
        ("Q4ever.gguf", None),
    ],
)
def test_a_quantization_is_read_from_a_name(path: str, quantization: str | None) -> None:
    assert quantization_of(path) == quantization


def test_case_does_not_matter() -> None:
    assert chosen("q4_k_m", "M-Q4_K_M.gguf", "M-Q8_0.gguf") == ["M-Q4_K_M.gguf"]
    assert chosen("Q4_K_M", "m-q4_k_m.gguf", "m-q8_0.gguf") == ["m-q4_k_m.gguf"]


def test_a_part_of_a_quantizations_name_is_not_the_quantization() -> None:
    assert chosen("Q4_K", "M-Q4_K_M.gguf", "M-Q4_K.gguf") == ["M-Q4_K.gguf"]
    assert "has no Q4_K: it has Q4_K_M, Q4_K_S" in complaint(
        "Q4_K", "M-Q4_K_M.gguf", "M-Q4_K_S.gguf"
    )


def test_a_makers_own_recipe_is_meant_only_when_there_is_no_plain_one() -> None:
    both = ("M-UD-Q4_K_XL.gguf", "M-Q4_K_XL.gguf")
    assert chosen("Q4_K_XL", *both) == ["M-Q4_K_XL.gguf"]
    assert chosen("UD-Q4_K_XL", *both) == ["M-UD-Q4_K_XL.gguf"]
    assert chosen("Q4_K_XL", both[0], "M-Q8_0.gguf") == ["M-UD-Q4_K_XL.gguf"]


def test_files_that_go_with_a_model_are_no_models() -> None:
    companions = (
        "mmproj-F16.gguf",
        "mmproj-model-f16.gguf",
        "M-mmproj-Q8_0.gguf",
        "mtp-M-Q8_0.gguf",
        "MTP/M-Q8_0.gguf",
        "eagle3-gpt-oss-20b-Q8_0.gguf",
        "M-draft-Q8_0.gguf",
        "imatrix.gguf",
        "M.imatrix.gguf",
        "imatrix_unsloth.gguf",
    )
    assert chosen("Q8_0", *companions, "M-Q8_0.gguf") == ["M-Q8_0.gguf"]
    assert chosen(None, *companions, "M-Q8_0.gguf") == ["M-Q8_0.gguf"]
    assert "has no GGUF files" in complaint(None, "README.md")


def test_a_repository_of_companions_alone_holds_them_as_its_models() -> None:
    assert chosen(None, "mmproj-F16.gguf", "imatrix.gguf") == ["mmproj-F16.gguf"]
    assert chosen(None, "mtp-M-Q8_0.gguf", "mmproj-F16.gguf") == ["mtp-M-Q8_0.gguf"]


def test_quantized_weights_may_bear_the_name_of_the_statistics_behind_them() -> None:
    assert chosen("Q4_0", "M-imatrix-Q4_0.gguf", "M-imatrix.gguf") == ["M-imatrix-Q4_0.gguf"]


def test_one_file_is_preferred_to_parts() -> None:
    parts = [f"M-Q4_0-0000{index}-of-00002.gguf" for index in (1, 2)]
    assert chosen("Q4_0", *parts, "M-Q4_0.gguf") == ["M-Q4_0.gguf"]
    assert chosen("Q4_0", *reversed(parts)) == parts


def test_only_whole_sets_of_parts_count() -> None:
    two_of_three = ("Q4_0/M-Q4_0-00001-of-00003.gguf", "Q4_0/M-Q4_0-00003-of-00003.gguf")
    assert "only parts of models" in complaint("Q4_0", *two_of_three)
    two = [f"M-Q4_0-0000{index}-of-00002.gguf" for index in (1, 2)]
    assert chosen("Q4_0", *two_of_three, *two) == two


def test_a_part_out_of_range_makes_no_set() -> None:
    assert "only parts" in complaint(
        "Q4_0", "M-Q4_0-00001-of-00002.gguf", "M-Q4_0-00009-of-00002.gguf"
    )


def test_nothing_named_means_the_usual_or_the_only_one() -> None:
    assert chosen(None, "M-Q8_0.gguf", "M-Q4_K_M.gguf") == ["M-Q4_K_M.gguf"]
    assert chosen(None, "M-Q8_0.gguf") == ["M-Q8_0.gguf"]
    assert chosen(None, "stories260K.gguf") == ["stories260K.gguf"]
    message = complaint(None, "M-Q8_0.gguf", "M-Q2_K.gguf")
    assert "several models: Q8_0, Q2_K; write owner/Model-GGUF:Q" in message


def test_what_there_is_is_listed_smallest_first() -> None:
    assert complaint("Q9", "M-Q2_K.gguf", "M-Q8_0.gguf").endswith("has no Q9: it has Q2_K, Q8_0")


def test_several_files_of_one_quantization_are_a_question() -> None:
    message = complaint("Q4_0", "stories15M-q4_0.gguf", "stories260K-q4_0.gguf")
    assert "could be 2 files: stories15M-q4_0.gguf, stories260K-q4_0.gguf" in message
    assert message.endswith("owner/Model-GGUF:stories15M-q4_0")


def test_a_name_of_its_own_answers_that_question() -> None:
    names = ("tiny/stories15M-q4_0.gguf", "tiny/stories260K-q4_0.gguf", "tiny/stories260K.gguf")
    assert chosen("stories15m-Q4_0", *names) == [names[0]]
    assert chosen("stories260K", names[0], names[2]) == [names[2]]


def test_the_same_bytes_under_two_names_are_no_question() -> None:
    digest = Digest("sha256", "a" * 64)
    twins = [HubFile(path, 5, digest) for path in ("b-Q4_0.gguf", "a-Q4_0.gguf")]
    assert choose(HubReference("o/r", "Q4_0"), twins).name == "a-Q4_0.gguf"


def test_the_digest_the_catalogue_states_beats_every_name() -> None:
    names = ("M-Q4_0.gguf", "M-renamed.gguf")
    assert chosen("Q4_0", *names, hint=Hint(sha256=f"{1:064x}")) == ["M-renamed.gguf"]
    assert chosen("Q4_0", *names, hint=Hint(sha256="f" * 64)) == ["M-Q4_0.gguf"]


def test_a_remembered_name_only_settles_a_question() -> None:
    names = ("a/M-Q4_0.gguf", "b/M-Q4_0.gguf")
    assert chosen("Q4_0", *names, hint=Hint(path="B/m-q4_0.gguf")) == [names[1]]
    assert chosen("Q8_0", "M-Q8_0.gguf", "M-Q4_0.gguf", hint=Hint(path="M-Q4_0.gguf")) == [
        "M-Q8_0.gguf"
    ]
    assert chosen("Q4_0", names[0], hint=Hint(path="gone.gguf")) == [names[0]]


def test_empty_files_are_no_models() -> None:
    empty = HubFile("M-Q4_0.gguf", 0, Digest("sha256", "a" * 64))
    with pytest.raises(ModelNotFound, match="no GGUF files"):
        choose(HubReference("o/r", None), [empty])


_NAME = r"(?:[a-z]{1,3}/)?[a-z]{1,3}-(?:Q4_0|Q8_0|UD-Q4_0)(?:-0000[12]-of-0000[12])?\.gguf"
PATHS = st.lists(st.from_regex(_NAME, fullmatch=True), unique=True, max_size=8)


@given(PATHS, st.sampled_from(["Q4_0", "q8_0", None]))
def test_whatever_is_listed_the_answer_is_one_whole_model_or_a_sentence(
    paths: list[str], wanted: str | None
) -> None:
    listed, reference = files(*paths), HubReference("o/r", wanted)
    try:
        found: Chosen = choose(reference, listed)
    except ModelNotFound:
        assert complaint(wanted, *paths)
        return
    assert set(found.files) <= set(listed)
    assert found.quantization is not None
    assert wanted is None or found.quantization.removeprefix("UD-") == wanted.upper()
    assert choose(reference, list(reversed(listed))) == found
    shards = [shard_name(Path(file.path)) for file in found.files]
    if shards[0]:
        assert [shard.index for shard in shards if shard] == [*range(1, shards[0].count + 1)]
    else:
        assert len(shards) == 1


def test_the_name_the_catalogue_remembers_goes_before_a_whole_file_of_the_same_kind() -> None:
    parts = [f"split/stories15M-q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    there = ("stories15M-q8_0.gguf", *parts)
    assert chosen("Q8_0", *there, hint=Hint(path=parts[0])) == parts
    assert chosen("Q8_0", *there) == ["stories15M-q8_0.gguf"]


def test_a_remembered_name_that_tells_no_quantization_is_enough() -> None:
    there = ("tinyllamas/stories260K.gguf", "tinyllamas/stories15M-q4_0.gguf")
    assert chosen("F32", *there, hint=Hint(path=there[0])) == [there[0]]


def test_a_remembered_name_of_another_quantization_is_not_taken() -> None:
    there = ("model-Q4_0.gguf", "model-Q8_0.gguf")
    assert chosen("Q8_0", *there, hint=Hint(path=there[0])) == [there[1]]

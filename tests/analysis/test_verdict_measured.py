from __future__ import annotations

import re
from typing import Any

import pytest
from make.records import (
    KEY,
    SETTINGS,
    make_experiment,
    make_failed_run,
    make_machine,
    make_model,
    make_run,
    make_served,
    run_of,
)
from make.served import make_served_experiment, make_served_rounds
from make.trials import disturbed_counters, make_counters, make_trial

from harness.analysis.measured import measured_of
from harness.analysis.verdict import Verdict
from harness.analysis.verdict_measured import PAGED_LEAST_RATIO, NoVerdict, judge
from harness.schema.experiment import Run, Trial
from harness.schema.model import ModelFile
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.workload import parse_workload

MODEL = make_model()


def judged(
    runs: list[Run], workloads: tuple[str, ...], model: ModelFile = MODEL
) -> Verdict | NoVerdict:
    experiment = make_experiment(workloads, models=(model,))
    (group,) = measured_of(experiment, runs)
    return judge(group)


def measured(*trials: Trial, model: ModelFile = MODEL) -> Verdict | NoVerdict:
    workloads = tuple(dict.fromkeys(trial.workload for trial in trials))
    return judged([run_of(*trials)], workloads, model)


def verdict_of(*trials: Trial, model: ModelFile = MODEL) -> Verdict:
    found = measured(*trials, model=model)
    assert isinstance(found, Verdict)
    return found


def paging(n_bytes: int, **changes: Any) -> Trial:
    counters = make_counters(6_000_000_000, disk_read_bytes=n_bytes)
    return make_trial("tg128", 21.0, counters=counters, **changes)


PROMPT = make_trial("pp1024", 1024.0)


def test_decoding_at_4096_positions_counts_before_any_other_depth() -> None:
    verdict = verdict_of(
        make_trial("tg128", 30.0), make_trial("tg128@d4096", 15.0),
        make_trial("tg128@d16384", 5.0), PROMPT,
    )  # fmt: skip

    assert verdict.level == "usable"
    assert verdict.reason == "decode 15.0 tok/s (tg128@d4096)"
    assert not verdict.is_borderline
    (note,) = verdict.notes
    assert "comfortable up to a depth of about 2000, usable up to a depth of about 13000" in note


def test_a_shallower_measurement_says_so_and_may_be_worse_at_depth() -> None:
    # 96 MB of weights and 23,040 bytes a position: at 4,096 positions 1.95 times the bytes.
    verdict = verdict_of(make_trial("tg128", 30.0), PROMPT)

    assert verdict.text == "comfortable, perhaps usable"
    assert verdict.decode is not None
    assert verdict.decode.value == pytest.approx(30.0, rel=0.01)
    assert verdict.decode.low == pytest.approx(30.0 / 1.96, rel=0.02)
    assert "measured at depth 0, not 4096" in verdict.notes[0]


def test_without_tg_a_chat_is_judged_and_without_that_a_long_generation() -> None:
    chat = verdict_of(make_trial("chat", 15.0), make_trial("sustain8", 30.0), PROMPT)
    assert chat.reason == "decode 15.0 tok/s (chat)"
    sustained = verdict_of(make_trial("sustain8", 30.0), PROMPT)
    assert sustained.reason == "decode 30.0 tok/s (sustain8)"


@pytest.mark.parametrize(
    ("prompts", "what", "seconds"),
    [
        ({"pp1024": 512.0}, "pp1024", 2.0),
        ({"pp512": 512.0, "pp4096": 100.0}, "1024 tokens at the rate of pp512", 2.0),
        ({"pp512": 900.0, "pp1024": 100.0}, "pp1024", 10.24),
        # Behind a filled cache it is another figure.
        ({"pp512@d4096": 10.0, "pp64": 128.0}, "1024 tokens at the rate of pp64", 8.0),
    ],
)
def test_the_prompt_nearest_to_1024_tokens_is_taken(
    prompts: dict[str, float], what: str, seconds: float
) -> None:
    trials = [make_trial(name, rate) for name, rate in prompts.items()]
    verdict = verdict_of(make_trial("tg128@d4096", 50.0), *trials)

    assert verdict.ttft is not None
    assert verdict.ttft.source == what
    assert verdict.ttft.value == pytest.approx(seconds * 1e9, rel=0.01)


def test_a_chat_tells_the_first_token_where_no_prompt_was_measured() -> None:
    verdict = verdict_of(make_trial("chat", 50.0))

    assert verdict.ttft is not None
    assert verdict.ttft.source == "1024 tokens at the rate of chat"
    assert verdict.ttft.value == pytest.approx(1024 * 0.8 / 250 * 1e9, rel=0.01)


def test_decoding_alone_leaves_the_first_token_open() -> None:
    verdict = verdict_of(make_trial("tg128@d4096", 50.0))

    assert verdict.text == "comfortable, perhaps slow"


def test_a_twin_is_rehearsed_and_not_measured() -> None:
    twin = make_model(is_twin=True)

    assert verdict_of(make_trial(), PROMPT).evidence == "measured"
    assert verdict_of(make_trial(), PROMPT, model=twin).evidence == "rehearsed"


def test_weights_read_again_and_again_are_paging() -> None:
    assert MODEL.token_read_bytes is not None
    n_bytes = int(128 * MODEL.token_read_bytes * PAGED_LEAST_RATIO)
    borderline = [paging(n_bytes + 128, index=i) for i in range(3)]
    below = [paging(n_bytes - 12_800, index=i) for i in range(3)]

    verdict = verdict_of(*borderline, PROMPT)
    assert verdict.level == "pages"
    assert verdict.reason == (
        "960 kB came from the disk for each token of tg128, 1.0 % of what it reads"
    )
    assert verdict.decode is not None
    assert verdict_of(*below, PROMPT).level != "pages"


def test_weights_read_once_are_not_paging() -> None:
    once = [paging(96_000_000, index=0), paging(0, index=1), paging(0, index=2)]

    assert verdict_of(*once, PROMPT).level == "comfortable"


def test_swapping_is_paging_too() -> None:
    counters = make_counters(6_000_000_000, swap_in_bytes=5_000_000_000)
    trials = [make_trial("tg128", 3.0, i, counters=counters) for i in range(3)]

    assert verdict_of(*trials, PROMPT).level == "pages"


def test_paging_is_seen_even_where_the_kernel_disturbed_every_trial() -> None:
    counters = disturbed_counters(9_000_000_000)
    counters = counters.model_copy(update={"disk_read_bytes": 90_000_000_000})
    trials = [make_trial("tg128", 1.0, i, counters=counters) for i in range(3)]

    verdict = verdict_of(*trials, PROMPT)
    assert verdict.level == "pages"
    assert verdict.decode is None


def test_disturbed_trials_alone_give_no_verdict() -> None:
    spoilt = make_trial("tg128", 30, counters=disturbed_counters())

    assert measured(spoilt, PROMPT) == NoVerdict("tg128 has no clean trial")


def test_a_speed_that_falls_lowers_the_verdict() -> None:
    windows = [25] * 6 + [20] * 6
    sustained = make_trial(
        "sustain12", window_tokens=windows, window_ns=[1_000_000_000] * 12, n_tokens=sum(windows)
    )
    verdict = verdict_of(make_trial("tg128@d4096", 22.0), PROMPT, sustained)

    assert verdict.level == "usable"
    assert verdict.decode is not None
    assert verdict.decode.value == pytest.approx(22.0 * 0.8, rel=0.01)


def test_a_killed_worker_is_a_model_that_does_not_run() -> None:
    verdict = judged([make_failed_run()], ("pp512", "tg128"))

    assert isinstance(verdict, Verdict)
    assert verdict.level == "does-not-run"
    assert "not enough memory" in verdict.reason
    assert verdict.short_bytes is None


def test_weights_larger_than_the_memory_say_what_is_missing() -> None:
    model = make_model(weights_bytes=make_machine().memory_bytes + 5_000)
    verdict = judged([make_failed_run()], ("tg128",), model)

    assert isinstance(verdict, Verdict)
    assert verdict.short_bytes == 5_000


@pytest.mark.parametrize("reason", ["interrupted", "hung", "settings-invalid", "worker-error"])
def test_a_failure_that_says_nothing_of_the_model_gives_no_verdict(reason: Any) -> None:
    run = make_failed_run(outcome=Outcome(status="failed", reason=reason, message="x"))

    assert judged([run], ("tg128",)) == NoVerdict("nothing was measured")


def test_prompts_alone_give_no_verdict() -> None:
    verdict = measured(PROMPT)

    assert isinstance(verdict, NoVerdict)
    assert verdict.reason == "decoding was not measured: measure with --workload pp1024,tg128"


@pytest.mark.parametrize(
    "workloads", [("tg128",), ("pp512", "tg128", "chat"), ("tg64@d100", "pp32")]
)
def test_advice_on_what_to_measure_keeps_every_figure_that_is_there(
    workloads: tuple[str, ...],
) -> None:
    run = make_run(0, workloads)
    (measured,) = measured_of(make_experiment(workloads), [run])
    verdict = judge(measured)
    assert isinstance(verdict, Verdict)
    (advised,) = re.findall(r"--workload (\S+)\.", " ".join(verdict.notes))
    again = tuple(advised.split(","))
    assert again[: len(workloads)] == workloads
    assert all(parse_workload(name).name == name for name in again)
    # Followed to the letter, it has nothing left to ask for.
    (measured,) = measured_of(make_experiment(again), [make_run(0, again)])
    followed = judge(measured)
    assert isinstance(followed, Verdict)
    assert not any("--workload" in note for note in followed.notes)


def test_advice_is_not_to_measure_what_the_model_cannot() -> None:
    model = make_model(n_ctx_train=2048)
    (measured,) = measured_of(
        make_experiment(("tg128",), models=(model,)), [make_run(0, ("tg128",))]
    )
    notes = " ".join(getattr(judge(measured), "notes", ()))
    assert "not 4096: the model was trained for 2048 positions." in notes
    assert "--workload" not in notes


def test_advice_drops_the_context_that_stands_in_its_way() -> None:
    settings = SETTINGS.model_copy(update={"n_ctx": 1024})
    run = make_run(0, ("tg128",), settings=settings)
    (measured,) = measured_of(make_experiment(("tg128",), settings=(settings,)), [run])
    assert "tg128,tg128@d4096 and without --ctx." in " ".join(getattr(judge(measured), "notes", ()))


def test_a_depth_that_found_no_memory_may_mean_that_it_does_not_run() -> None:
    failure = CaseFailure(workload="tg128@d4096", reason="out-of-memory", message="no memory")
    run = run_of(
        make_trial("tg128", 30.0),
        PROMPT,
        outcome=Outcome(status="failed", reason="out-of-memory", message="no memory"),
        case_failures=(failure,),
    ).model_copy(update={"workloads": ("tg128", "pp1024", "tg128@d4096")})
    verdict = judged([run], ("tg128", "pp1024", "tg128@d4096"))

    assert isinstance(verdict, Verdict)
    assert verdict.worst == "does-not-run"
    assert "tg128@d4096 failed: no memory" in verdict.notes


def test_several_sequences_together_say_nothing_of_how_one_fares() -> None:
    together = (make_trial("tg128x4@d4096", 200.0), make_trial("pp1024x4", 9000.0))
    verdict = measured(*together)
    assert isinstance(verdict, NoVerdict)
    assert "decoding was not measured" in verdict.reason
    alone = make_trial("tg128@d4096", 15.0)
    assert verdict_of(*together, alone, PROMPT) == verdict_of(alone, PROMPT)


def test_too_many_sequences_for_the_memory_do_not_make_a_model_that_does_not_run() -> None:
    outcome = Outcome(status="failed", reason="out-of-memory", message="no memory")
    failure = CaseFailure(workload="tg128x64", reason="out-of-memory", message="no memory")
    workloads = ("tg128@d4096", "pp1024", "tg128x64")
    run = run_of(
        make_trial("tg128@d4096", 30.0), PROMPT, outcome=outcome, case_failures=(failure,)
    ).model_copy(update={"workloads": workloads})
    verdict = judged([run], workloads)
    assert isinstance(verdict, Verdict)
    assert verdict.worst == verdict.level == "comfortable"


def test_a_model_that_prefills_but_cannot_decode_does_not_run() -> None:
    failure = CaseFailure(workload="tg128", reason="decode-failed", message="no room")
    run = run_of(
        PROMPT,
        outcome=Outcome(status="failed", reason="decode-failed", message="no room"),
        case_failures=(failure,),
    ).model_copy(update={"workloads": ("tg128", "pp1024")})
    verdict = judged([run], ("tg128", "pp1024"))

    assert isinstance(verdict, Verdict)
    assert (verdict.level, verdict.reason) == ("does-not-run", "no room")


def test_other_models_of_the_experiment_do_not_count() -> None:
    other = make_model(key="other:Q4_0")
    experiment = make_experiment(("tg128@d4096", "pp1024"), models=(MODEL, other))
    good = run_of(make_trial("tg128@d4096", 50.0), PROMPT, model=KEY)
    bad = run_of(
        make_trial(
            "tg128@d4096", 1.0, counters=make_counters(128_000_000_000, disk_read_bytes=10**12)
        ),
        PROMPT,
        model="other:Q4_0",
    )
    groups = measured_of(experiment, [good, bad])
    verdicts = [judge(group) for group in groups]

    assert [v.level for v in verdicts if isinstance(v, Verdict)] == ["comfortable", "pages"]
    assert good.settings == SETTINGS


def test_a_record_from_before_of_a_model_that_does_not_write_has_no_decode_and_no_verdict() -> None:
    workloads = ("pp512", "tg128", "chat")
    old = make_model(architecture="bert").model_dump(mode="json")
    del old["kind"]
    experiment = make_experiment(workloads, models=(ModelFile.model_validate(old),))
    (found,) = measured_of(experiment, [make_run(workloads=("pp512", "tg128"))])
    assert [case.workload for case in found.cases] == ["pp512"]
    verdict = judge(found)
    assert isinstance(verdict, NoVerdict)
    assert verdict.reason.startswith("it is an embedding model, which reads a text at once")


def test_answers_that_came_in_one_piece_say_nothing_of_decoding() -> None:
    experiment = make_served_experiment()
    runs = make_served_rounds(experiment)
    (group,) = measured_of(experiment, runs)
    assert isinstance(judge(group), Verdict)
    (group,) = measured_of(experiment, make_served_rounds(experiment, slower=0.001))
    found = judge(group)
    assert isinstance(found, NoVerdict)
    assert found.reason == "the answers of chat came in one piece"


def test_a_server_is_asked_for_a_long_prompt_where_a_file_is_measured_at_depth() -> None:
    def judged(workload: str, n_ctx: int) -> Verdict:
        model = make_served()
        settings = model.served.settings.model_copy(update={"n_ctx": n_ctx})
        served = model.served.model_copy(update={"settings": settings})
        model = model.model_copy(update={"served": served})
        experiment = make_experiment((workload,), models=(model,), settings=(settings,))
        trials = [make_trial(workload, 50, index) for index in range(3)]
        run = run_of(*trials, model=model.key, settings=settings)
        (group,) = measured_of(experiment, [run])
        found = judge(group)
        assert isinstance(found, Verdict)
        return found

    (note,) = judged("chat", 8192).notes
    assert note.endswith("measure with --workload chat,pp4096+tg128.")
    (note,) = judged("chat", 2048).notes
    assert note.endswith("the server gives a request 2048 positions.")
    assert judged("pp4096+tg128", 8192).notes == ()

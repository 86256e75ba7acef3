"""
What becomes of every field of an experiment file when it is shared.

A field that is named in no rule is left out. tests/commands/share/test_rules.py goes over all
fields of all records and fails for one that nobody has decided on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from harness.commands.share import warning, words
from harness.commands.share.scrub import Rule, Rules, Scrubber
from harness.schema import experiment as of_experiment
from harness.schema import machine as of_machine
from harness.schema.experiment import CaseFailure, ModelFile, Outcome
from harness.schema.record import Record
from harness.schema.settings import Settings
from harness.schema.work import Attention, Work
from harness.schema.workload import parse_workload

_DIGEST = re.compile(r"[0-9a-f]{64}")


def as_it_is(_scrubber: Scrubber, _record: Record, value: Any) -> Any:
    """A number, a flag, or one of few fixed words."""
    return value


def inside(scrubber: Scrubber, _record: Record, value: Any) -> Any:
    """Records, by their own rules."""
    return scrubber.inside(value)


def _kept(names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), as_it_is)


def _records(names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), inside)


def _text(what: str, clean: Callable[[str], str]) -> Rule:
    """A text, or several, each cleaned; None stays None."""

    def rule(scrubber: Scrubber, record: Record, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(rule(scrubber, record, each) for each in value)
        return None if value is None else scrubber.changed(what, value, clean(value))

    return rule


def _name(what: str, kind: str, known: Callable[[str], str | None]) -> Rule:
    """A name, or several, each kept where it is known; others are numbered."""

    def rule(scrubber: Scrubber, record: Record, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(rule(scrubber, record, each) for each in value)
        return scrubber.changed(what, value, known(value) or scrubber.renamed(kind, value))

    return rule


def _by_tensor_type(scrubber: Scrubber, _record: Record, value: dict[str, int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, number in value.items():
        known = scrubber.changed("type of weights", name, words.tensor_type(name))
        found[known] = found.get(known, 0) + number
    return found


def _gone(what: str, nothing: Any) -> Rule:
    """Left out, and said; `nothing` stands there."""

    def rule(scrubber: Scrubber, _record: Record, value: Any) -> Any:
        texts = value.values() if isinstance(value, dict) else value
        for text in (texts,) if isinstance(texts, str) else texts or ():
            scrubber.changed(what, text, "")
        return nothing

    return rule


def _workload(_scrubber: Scrubber, _record: Record, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(parse_workload(each).name for each in value)
    return parse_workload(value).name


def _moment(scrubber: Scrubber, _record: Record, value: str) -> str:
    return scrubber.moment(value)


def _id(scrubber: Scrubber, _record: Record, value: str) -> str:
    return scrubber.identifier(value)


def _model(scrubber: Scrubber, _record: Record, value: str) -> str:
    return scrubber.changed("name of a model", value, scrubber.model(value).key)


def _file_name(scrubber: Scrubber, record: Record, value: str) -> str:
    assert isinstance(record, ModelFile)
    return scrubber.changed("name of a file", value, scrubber.model(record.key).file_name)


def _digest(scrubber: Scrubber, record: Record, value: str | None) -> str | None:
    """That of a file nobody else has would tell that two people have it."""
    assert isinstance(record, ModelFile)
    if value is None or (_DIGEST.fullmatch(value) and scrubber.model(record.key).is_known):
        return value
    scrubber.changed("sha256 of a file", value, "")
    return None


def _by_model(scrubber: Scrubber, _record: Record, value: dict[str, Record]) -> dict[str, Record]:
    return {scrubber.model(key).key: scrubber.record(each) for key, each in value.items()}


def _warnings(scrubber: Scrubber, _record: Record, value: tuple[str, ...]) -> tuple[str, ...]:
    told = (scrubber.changed("warning", text, warning.without_names(text) or "") for text in value)
    return tuple(filter(None, told))


def _message(scrubber: Scrubber, record: Record, value: str | None) -> str | None:
    """Why something failed, in a word: what the engine and the system said may hold paths."""
    assert isinstance(record, Outcome | CaseFailure)
    if value is None:
        return None
    reason = (record.reason or "no reason is known").replace("-", " ")
    return scrubber.changed("message of an error", value, reason)


_CONFIGURED: dict[str, Rule] = {"model": _model, "settings": inside}
_DEVICE = _name("device", "device", words.device)
_MACHINE: dict[str, Rule] = {
    "id": _id,
    "os": _text("operating system", words.operating_system),
    "os_version": _text("operating system", words.system_version),
    "arch": _text("instruction set", words.processor_kind),
    "model": _text("machine", words.hardware),
    "cpu": _text("processor", words.hardware),
    "virtualization": _text("virtualization", words.virtualization),
    **_kept(
        "n_cores_physical n_cores_logical n_cores_usable last_level_cache_bytes memory_bytes "
        "memory_limit_bytes gpu_limit_bytes"
    ),
    **_records("core_levels accelerators"),
}

RULES: Rules = {
    of_machine.CoreLevel: {
        "name": _name("class of cores", "level", words.core_level),
        **_kept("n_cores"),
    },
    of_machine.Accelerator: {
        "name": _text("graphics card", words.hardware),
        "vendor": _text("graphics card", words.hardware),
        "driver": _text("driver", words.hardware),
        **_kept("memory_bytes n_cores"),
    },
    of_machine.MachineFacts: _MACHINE,
    of_machine.Machine: _MACHINE,
    of_machine.Conditions: {
        "power_mode": _text("power mode", words.power),
        "thermal_pressure": _text("thermal pressure", words.power),
        "warnings": _warnings,
        "unknown": _gone("reason for an unknown", {}),
        **_kept(
            "power_source battery_percent memory_available_bytes swap_used_bytes load_average_1m"
        ),
    },
    of_machine.BandwidthSample: _kept(
        "median_bytes_per_s q90_bytes_per_s n_samples n_threads buffer_bytes"
    ),
    of_machine.Counters: _kept(
        "wall_ns process_cpu_ns system_busy_ns steal_ns run_delay_ns n_involuntary_switches "
        "n_major_faults disk_read_bytes swap_in_bytes swap_out_bytes n_thermal_throttles "
        "quota_throttled_ns clock_hz temperature_celsius reference_ns"
    ),
    of_machine.Energy: {
        "domain": _name("energy counter", "part", words.energy_domain),
        **_kept("source kind joules window_ns refresh_ns step_joules"),
    },
    of_machine.MemoryMark: {
        "source": _text("source of memory", words.memory_source),
        **_kept(
            "at resident_bytes peak_bytes anonymous_bytes file_backed_bytes swapped_bytes "
            "footprint_bytes peak_footprint_bytes"
        ),
    },
    of_machine.Device: {
        "name": _DEVICE,
        "description": _text("device", words.hardware),
        **_kept("kind total_bytes free_bytes"),
    },
    Settings: {
        "devices": _DEVICE,
        "type_k": _text("type of a cache", words.cache_type),
        "type_v": _text("type of a cache", words.cache_type),
        **_kept(
            "n_threads n_batch n_ubatch n_ctx n_gpu_layers n_cpu_moe split_mode main_gpu "
            "tensor_split flash_attn load_mode repack"
        ),
    },
    Attention: _kept(
        "n_layer n_positions_max n_key_elements n_value_elements n_head head_key_length "
        "head_value_length"
    ),
    Work: {
        "architecture": _text("architecture", words.architecture),
        **dict.fromkeys(("type_params", "expert_params", "type_read_bytes"), _by_tensor_type),
        **_kept(
            "weights_bytes token_read_bytes expert_read_bytes expert_bytes n_params_multiplied "
            "n_blocks is_recurrent is_latent"
        ),
        **_records("attention"),
    },
    of_experiment.StoredPrediction: {
        "model": _model,
        "workload": _workload,
        "note": _gone("note on a prediction", ""),
        **_kept("component value low high method settings_index"),
    },
    ModelFile: {
        "key": _model,
        "file_name": _file_name,
        "sha256": _digest,
        "quantization": _text("quantization", words.quantization),
        "architecture": _text("architecture", words.architecture),
        "tensor_bytes": _by_tensor_type,
        **_kept(
            "n_bytes n_params n_layer n_embd n_vocab n_ctx_train n_expert n_expert_used "
            "weights_bytes token_read_bytes kv_read_bytes_per_position is_twin kind"
        ),
    },
    of_experiment.Trial: {
        "workload": _workload,
        **_kept(
            "index is_warm_up n_tokens total_ns step_ns n_prompt tokenize_ns ttft_ns chat_template "
            "window_tokens window_ns"
        ),
        **_records("counters energy"),
    },
    of_experiment.Buffer: {"device": _DEVICE, **_kept("kind n_bytes")},
    of_experiment.ContextFacts: {
        "workload": _workload,
        **_kept("n_ctx create_ns"),
        **_records("buffers"),
    },
    of_experiment.Load: _kept("cached_ratio is_cold process_ns model_ns total_ns"),
    Outcome: {
        "message": _message,
        "log_tail": _gone("line of a log", ()),
        **_kept("status reason exit_code"),
    },
    CaseFailure: {"workload": _workload, "message": _message, **_kept("reason")},
    of_experiment.Run: {
        **_CONFIGURED,
        "workloads": _workload,
        "started_at": _moment,
        "energy_reasons_missing": _gone("reason for no energy", {}),
        "log": _gone("name of a log", None),
        **_kept("kind index round seed duration_ns is_in_turns"),
        **_records(
            "outcome case_failures load weights contexts memory devices_before devices_loaded "
            "bandwidth_before bandwidth_after idle_energy counters trials"
        ),
    },
    of_experiment.EngineInfo: {
        "binding": _text("engine", words.binding),
        "binding_version": _text("engine", words.version),
        "library_version": _text("engine", words.software),
        "library_commit": _text("engine", words.commit),
        "system_info": _text("engine's features", words.features),
        **_kept("supports_gpu_offload"),
        **_records("devices"),
    },
    of_experiment.Provenance: {
        "harness_version": _text("version", words.version),
        "python_version": _text("version", words.version),
        **_records("engine"),
    },
    of_experiment.Plan: {
        "workloads": _workload,
        **_kept("n_runs_max n_trials n_cold_loads budget_ns precision seed"),
        **_records("models settings"),
    },
    of_experiment.Experiment: {
        "id": _id,
        "started_at": _moment,
        "works": _by_model,
        **_kept("schema_version kind origin"),
        **_records("machine conditions provenance plan predictions"),
    },
    of_experiment.Stop: {**_CONFIGURED, **_kept("reason n_runs")},
    of_experiment.End: {"finished_at": _moment, **_kept("kind"), **_records("stops")},
}
"""By the type of the record."""

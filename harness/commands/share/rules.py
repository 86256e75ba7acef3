"""
What becomes of every field of an experiment file when it is shared.

A field that is named in no rule is left out. tests/commands/share/test_rules.py goes over all
fields of all records and fails for one that nobody has decided on.
"""

from __future__ import annotations

from harness.commands.share import treatment, words
from harness.commands.share.scrub import Rule, Rules
from harness.schema import experiment as of_experiment
from harness.schema import machine as of_machine
from harness.schema.fleet import FleetPart
from harness.schema.model import ModelFile, ServedModel
from harness.schema.outcome import CaseFailure, Outcome
from harness.schema.request import (
    Request,
    RequestFailure,
    ServerTimes,
    ServiceLevel,
    SessionState,
    Speculation,
)
from harness.schema.served import Served
from harness.schema.settings import ServedSettings, Settings
from harness.schema.work import Attention, Work


def _kept(names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), treatment.as_it_is)


def _records(names: str) -> dict[str, Rule]:
    return dict.fromkeys(names.split(), treatment.inside)


_CONFIGURED: dict[str, Rule] = {"model": treatment.model, "settings": treatment.inside}
_DEVICE = treatment.name("device", "device", words.device)
_RPC = treatment.name("address of a server", "server", lambda _: None)
_MACHINE: dict[str, Rule] = {
    "id": treatment.identifier,
    "os": treatment.text("operating system", words.operating_system),
    "os_version": treatment.text("operating system", words.system_version),
    "arch": treatment.text("instruction set", words.processor_kind),
    "model": treatment.text("machine", words.hardware),
    "cpu": treatment.text("processor", words.hardware),
    "virtualization": treatment.text("virtualization", words.virtualization),
    **_kept(
        "n_cores_physical n_cores_logical n_cores_usable last_level_cache_bytes memory_bytes "
        "memory_limit_bytes gpu_limit_bytes"
    ),
    **_records("core_levels accelerators rpc"),
}

RULES: Rules = {
    of_machine.CoreLevel: {
        "name": treatment.name("class of cores", "level", words.core_level),
        **_kept("n_cores"),
    },
    of_machine.Accelerator: {
        "name": treatment.text("graphics card", words.hardware),
        "vendor": treatment.text("graphics card", words.hardware),
        "driver": treatment.text("driver", words.hardware),
        **_kept("memory_bytes n_cores"),
    },
    of_machine.RpcDevice: _kept("total_bytes free_bytes"),
    of_machine.RpcServer: {
        "address": _RPC,
        "version": treatment.text("protocol", words.version),
        **_kept("ping_ns bytes_per_s"),
        **_records("devices"),
    },
    of_machine.MachineFacts: _MACHINE,
    of_machine.Machine: _MACHINE,
    of_machine.Conditions: {
        "power_mode": treatment.text("power mode", words.power),
        "thermal_pressure": treatment.text("thermal pressure", words.power),
        "warnings": treatment.warnings,
        "unknown": treatment.gone("reason for an unknown", {}),
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
        "domain": treatment.name("energy counter", "part", words.energy_domain),
        **_kept("source kind joules window_ns refresh_ns step_joules"),
    },
    of_machine.MemoryMark: {
        "source": treatment.text("source of memory", words.memory_source),
        **_kept(
            "at resident_bytes peak_bytes anonymous_bytes file_backed_bytes swapped_bytes "
            "footprint_bytes peak_footprint_bytes"
        ),
    },
    of_machine.Device: {
        "name": _DEVICE,
        "description": treatment.device(words.hardware),
        **_kept("kind total_bytes free_bytes"),
    },
    Settings: {
        "devices": _DEVICE,
        "draft": treatment.draft,
        "rpc": _RPC,
        "type_k": treatment.text("type of a cache", words.cache_type),
        "type_v": treatment.text("type of a cache", words.cache_type),
        **_kept(
            "n_threads n_batch n_ubatch n_ctx n_gpu_layers n_cpu_moe split_mode main_gpu "
            "tensor_split flash_attn load_mode repack draft_max"
        ),
    },
    Attention: _kept(
        "n_layer n_positions_max n_key_elements n_value_elements n_head head_key_length "
        "head_value_length"
    ),
    Work: {
        "architecture": treatment.text("architecture", words.architecture),
        **dict.fromkeys(
            ("type_params", "expert_params", "type_read_bytes"), treatment.by_tensor_type
        ),
        **_kept(
            "weights_bytes token_read_bytes expert_read_bytes expert_bytes n_params_multiplied "
            "n_blocks is_recurrent is_latent"
        ),
        **_records("attention"),
    },
    of_experiment.StoredPrediction: {
        "model": treatment.model,
        "workload": treatment.workload,
        "note": treatment.gone("note on a prediction", ""),
        **_kept("component value low high method settings_index"),
    },
    ModelFile: {
        "key": treatment.model,
        "file_name": treatment.file_name,
        "sha256": treatment.digest,
        "quantization": treatment.text("quantization", words.quantization),
        "architecture": treatment.text("architecture", words.architecture),
        "tensor_bytes": treatment.by_tensor_type,
        **_kept(
            "n_bytes n_params n_layer n_embd n_vocab n_ctx_train n_expert n_expert_used "
            "weights_bytes token_read_bytes kv_read_bytes_per_position is_twin kind"
        ),
    },
    ServedModel: {
        "key": treatment.model,
        "file_name": treatment.file_name,
        "sha256": treatment.digest,
        "quantization": treatment.text("quantization", words.quantization),
        "architecture": treatment.text("architecture", words.architecture),
        **_kept("n_bytes n_params n_ctx_train weights_bytes"),
        **_records("served"),
    },
    Served: {
        "url": treatment.gone("address of a server", "http://server"),
        "model": treatment.gone("name that a server gives a model", "model"),
        "server": treatment.text("server", words.binding),
        "version": treatment.text("server", words.version),
        "started_for": treatment.optional_model,
        "system_info": treatment.text("engine's features", words.features),
        **_kept("api is_local"),
        **_records("settings"),
    },
    ServedSettings: _kept("n_ctx n_slots"),
    Request: {
        **_kept(
            "sent_ns due_ns connect_ns ttft_ns answer_ns gap_ns total_ns n_prompt n_cached "
            "n_tokens turn user history"
        ),
        "token_ids": treatment.tokens,
        "finish": treatment.text("reason why an answer ended", words.finish),
        "model": treatment.gone("name that a server gives a model", None),
        **_records("server speculation failure"),
    },
    Speculation: _kept("drafted accepted draft_ns"),
    ServerTimes: _kept(
        "queue_ns load_ns prompt_ns n_prompt decode_ns n_tokens n_draft n_draft_accepted"
    ),
    SessionState: _kept("n_tokens n_bytes save_ns restore_ns write_ns read_ns"),
    ServiceLevel: _kept("ttft_ns itl_ns"),
    RequestFailure: {"message": treatment.message, **_kept("reason status")},
    of_experiment.Trial: {
        "workload": treatment.workload,
        **_kept(
            "index is_warm_up n_tokens total_ns step_ns n_prompt tokenize_ns ttft_ns chat_template "
            "window_tokens window_ns"
        ),
        **_records("counters energy requests session"),
    },
    of_experiment.Buffer: {"device": _DEVICE, **_kept("kind n_bytes")},
    of_experiment.ContextFacts: {
        "workload": treatment.workload,
        **_kept("n_ctx create_ns"),
        **_records("buffers"),
    },
    of_experiment.Load: _kept("cached_ratio is_cold process_ns model_ns total_ns"),
    Outcome: {
        "message": treatment.message,
        "log_tail": treatment.gone("line of a log", ()),
        **_kept("status reason exit_code"),
    },
    CaseFailure: {"workload": treatment.workload, "message": treatment.message, **_kept("reason")},
    of_experiment.Run: {
        **_CONFIGURED,
        "workloads": treatment.workload,
        "started_at": treatment.moment,
        "energy_reasons_missing": treatment.gone("reason for no energy", {}),
        "log": treatment.gone("name of a log", None),
        **_kept("kind index round seed duration_ns is_in_turns"),
        **_records(
            "outcome case_failures load weights contexts memory devices_before devices_loaded "
            "bandwidth_before bandwidth_after idle_energy counters trials"
        ),
    },
    of_experiment.EngineInfo: {
        "binding": treatment.text("engine", words.binding),
        "binding_version": treatment.text("engine", words.version),
        "library_version": treatment.text("engine", words.software),
        "library_commit": treatment.text("engine", words.commit),
        "system_info": treatment.text("engine's features", words.features),
        **_kept("supports_gpu_offload"),
        **_records("devices"),
    },
    of_experiment.Provenance: {
        "harness_version": treatment.text("version", words.version),
        "python_version": treatment.text("version", words.version),
        **_records("engine"),
    },
    of_experiment.Plan: {
        "workloads": treatment.workload,
        **_kept("n_runs_max n_trials n_cold_loads budget_ns precision seed search"),
        **_records("models drafts settings slo"),
    },
    FleetPart: {
        "id": treatment.identifier,
        "plan_sha256": treatment.gone("plan of a fleet", None),
        "host": treatment.name("name of a machine", "machine", lambda _: None),
        **_kept("clock_offset_ns"),
    },
    of_experiment.Experiment: {
        "id": treatment.identifier,
        "started_at": treatment.moment,
        "works": treatment.by_model,
        **_kept("schema_version kind origin"),
        **_records("machine conditions provenance plan predictions fleet"),
    },
    of_experiment.Stop: {**_CONFIGURED, **_kept("reason n_runs")},
    of_experiment.End: {"finished_at": treatment.moment, **_kept("kind"), **_records("stops")},
}
"""By the type of the record."""

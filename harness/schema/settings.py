"""How the engine is set up for a measurement, and the one text that this has everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from harness.schema.record import Record

NGRAM = "ngram"
"""The draft that takes what followed the last tokens where they stood before."""
NO_DRAFT = "none"
"""How it is written that nothing guesses ahead, and that no server computes."""


class Settings(Record):
    """
    How the engine is set up, in llama.cpp's own terms and with llama-bench's defaults.

    `n_ctx` None gives each workload just the context it needs, as llama-bench does.
    `n_gpu_layers` -1 is all. `n_cpu_moe`: experts of the first N layers stay in system memory.
    `draft` guesses up to `draft_max` tokens ahead, which the model then reads at once: the key of a
    smaller model, or NGRAM; None: each token by itself. `rpc` are the servers of llama.cpp's RPC
    whose devices compute beside those here, "127.0.0.1:50052".
    """

    n_threads: PositiveInt
    n_batch: PositiveInt = 2048
    n_ubatch: PositiveInt = 512
    n_ctx: PositiveInt | None = None
    n_gpu_layers: Annotated[int, Field(ge=-1)] = -1
    n_cpu_moe: NonNegativeInt = 0
    devices: tuple[str, ...] = ()
    split_mode: Literal["none", "layer", "row", "tensor"] = "layer"
    main_gpu: NonNegativeInt = 0
    tensor_split: tuple[float, ...] = ()
    flash_attn: Literal["auto", "on", "off"] = "auto"
    type_k: str = "f16"
    type_v: str = "f16"
    load_mode: Literal["auto", "none", "mmap", "mlock", "mmap+mlock", "direct-io"] = "auto"
    repack: bool = True
    draft: str | None = None
    draft_max: PositiveInt | None = None
    rpc: tuple[str, ...] = ()

    @property
    def draft_model(self) -> str | None:
        """The key of the model that guesses; None where none does."""
        return None if self.draft == NGRAM else self.draft


class ServedSettings(Record):
    """
    How a server has set up a model, as far as it tells: nothing of it is the harness's doing.

    `n_ctx` are the positions that one request has, `n_slots` the requests answered at once.
    """

    n_ctx: PositiveInt | None = None
    n_slots: PositiveInt | None = None


AnySettings = Settings | ServedSettings
"""Those of the engine in this process, or what a server tells of its own."""


def computing_threads(settings: AnySettings) -> int:
    """Threads that compute in a worker's own process: one, where it only asks a server."""
    return settings.n_threads if isinstance(settings, Settings) else 1


_OPTIONS = {"n_threads": "threads", "n_batch": "batch-size", "n_ubatch": "ubatch-size"} | {
    "n_ctx": "ctx",
    "n_gpu_layers": "gpu-layers",
    "n_cpu_moe": "cpu-moe",
    "n_slots": "slots",
    "devices": "device",
    "type_k": "cache-type-k",
    "type_v": "cache-type-v",
}


def option_name(field: str) -> str:
    """What the command line calls a field of Settings: "cache-type-k" of "type_k"."""
    return _OPTIONS.get(field, field.replace("_", "-"))


_ALL_FIELDS = tuple(dict.fromkeys((*Settings.model_fields, *ServedSettings.model_fields)))

FIELDS: dict[str, str] = {
    name: field for field in _ALL_FIELDS for name in (field, option_name(field))
}
"""Every name of a setting, the record's and the command line's, to its field."""


def value_text(value: object) -> str:
    """
    One value of a field as pages print it and selectors take it.

    "on", "q8_0", "CUDA0/CUDA1", "3/1"; "auto" is what the engine or the workload decides: None,
    and a list of nothing.
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple | list):
        return "/".join(value_text(item) for item in value) or "auto"
    if isinstance(value, float):
        # All digits, so that two shares never look alike.
        return repr(value).removesuffix(".0")
    return "auto" if value is None else str(value)


def settings_text(settings: AnySettings, among: Sequence[AnySettings] = ()) -> str:
    """
    "threads 2, flash-attn on": the threads, what is not the default, what differs in `among`.

    Everything that is not named is as in llama-bench, or as its server has it. Used as a selector
    it means `settings` and nothing else of `among`.
    """
    usual = _usual(settings)
    return ", ".join(
        _field_text(settings, field)
        for field in _fields(settings)
        if field == "n_threads"
        or getattr(settings, field) != getattr(usual, field)
        or any(_differs(settings, other, field) for other in among)
    )


def _differs(settings: AnySettings, other: AnySettings, field: str) -> bool:
    """Whether both have it, and not the same of it."""
    return _value(other, field) not in (_ABSENT, getattr(settings, field))


def differing_fields(among: Sequence[AnySettings]) -> tuple[str, ...]:
    """The fields in which some of `among` differ, in their order."""
    return tuple(
        field
        for field in _ALL_FIELDS
        if len({_value(settings, field) for settings in among} - {_ABSENT}) > 1
    )


def difference_text(settings: AnySettings, among: Sequence[AnySettings]) -> str:
    """What tells `settings` from the others of `among`: "threads 1"; empty where nothing does."""
    return fields_text(settings, differing_fields(among))


def fields_text(settings: AnySettings, fields: Sequence[str]) -> str:
    """What they say of these fields, of those that such settings have: "threads 1"."""
    own = _fields(settings)
    return ", ".join(_field_text(settings, field) for field in fields if field in own)


def shared_text(among: Sequence[AnySettings]) -> str:
    """What all of `among` have in common: the threads, and what is not the default."""
    differing = {*differing_fields(among)}
    if len({type(settings) for settings in among}) > 1:
        return ""
    usual = _usual(among[0])
    return ", ".join(
        _field_text(among[0], field)
        for field in _fields(among[0])
        if field not in differing
        if field == "n_threads" or getattr(among[0], field) != getattr(usual, field)
    )


def changes_text(a: AnySettings, b: AnySettings) -> str:
    """How `b` differs: "threads 2 against 4, ctx auto against 4096"; empty where it does not."""
    if type(a) is not type(b):
        return " against ".join(
            "a server's" if isinstance(it, ServedSettings) else "the engine's" for it in (a, b)
        )
    return ", ".join(
        f"{_field_text(a, field)} against {setting_text(b, field)}"
        for field in _fields(a)
        if _differs(a, b, field)
    )


def setting_text(settings: AnySettings, field: str) -> str:
    """The value of a field as pages print it; empty where such settings do not have it."""
    value = _value(settings, field)
    if value is _ABSENT:
        return ""
    return NO_DRAFT if field in ("draft", "rpc") and not value else value_text(value)


_ABSENT = object()


def _fields(settings: AnySettings) -> tuple[str, ...]:
    return tuple(it for it in type(settings).model_fields if _value(settings, it) is not _ABSENT)


def _value(settings: AnySettings, field: str) -> object:
    value = getattr(settings, field, _ABSENT)
    # Where nothing guesses, there is no most of its guesses.
    return _ABSENT if field == "draft_max" and value is None else value


def _usual(settings: AnySettings) -> AnySettings:
    if isinstance(settings, ServedSettings):
        return ServedSettings()
    return Settings(n_threads=settings.n_threads)


def _field_text(settings: AnySettings, field: str) -> str:
    return f"{option_name(field)} {setting_text(settings, field)}"

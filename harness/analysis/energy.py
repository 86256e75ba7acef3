"""
Joules per token: what the machine took beyond its rest, for each token it made or read.

    of one Run = sum over its clean trials of (joules - idle power x window) / sum of their tokens

Trials are joined by sums, since one may be short beside the counter's steps. Tokens are those of
the workload's rate: read ones for pp, made ones for tg and sustain; for chat the made ones, so
that reading the prompt is in each token's share.

Which domains are added up: CPU packages, their memory, an NPU, and the GPUs where the engine found
one. They lie side by side. The platform's counter (psys) holds the packages and whatever else the
board's maker wired to it, cores and uncore are parts of a package: they are shown beside the sum
and never added. A battery feeds everything; it is asked only where nothing else tells, and its rest
is not subtracted, because its steps are too coarse for a short one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from harness import units
from harness.analysis.stats import interval as stats
from harness.schema.experiment import Run, Trial
from harness.schema.figure import Figure
from harness.schema.machine import Energy, EnergySource

# A counter that moves every r ns misses up to r of a window at its end, and has up to r of what was
# before at its beginning, half of each on average. Where the machine rests between windows, that
# is r / (2 w) too little: at most 5 % from ten refreshes on. It is the same in each window, so that
# joining many does not help against it.
_MIN_REFRESHES = 10
# Of a counter whose refresh is not known, that of the slowest that is (NVML's) is taken.
_UNKNOWN_REFRESH_NS = 100_000_000
# A window is wrong by one step at most: 5 % of twenty.
_MIN_STEPS = 20

METRIC = "joules_per_token"
_BESIDE_EACH_OTHER = ("package", "memory", "npu")

Domain = tuple[EnergySource, str]
"""Source and name: what tells one counter from another."""


@dataclass(frozen=True, slots=True)
class PerToken:
    """
    What one Run says of one workload: a figure, or the reason why there is none.

    Attributes:
        joules: For each token, above the rest; more than 0.
        domains: Names of what was added up.
        source: Whose counters, "powercap + nvml".
        idle_watts: Power when idle that was subtracted; None where it was not (battery).
        of_domain: The same figure for every single domain that can be judged, 0 and less included.
    """

    joules: float | None = None
    reason: str | None = None
    domains: tuple[str, ...] = ()
    source: str = ""
    idle_watts: float | None = None
    of_domain: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CaseEnergy:
    """
    The same of all Runs of a case.

    Attributes:
        reason: Why the case has no figure; None where it has one, or was not measured at all.
        of_domain: Each single domain that took more than when idle in every Run.
        n_silent: Runs that tell nothing, though others do; `why_silent` is the first one's reason.
    """

    reason: str | None = None
    domains: tuple[str, ...] = ()
    source: str = ""
    idle_watts: float | None = None
    of_domain: Mapping[str, Figure] = field(default_factory=dict)
    n_silent: int = 0
    why_silent: str = ""

    @property
    def not_applicable(self) -> dict[str, str]:
        """The metric to the reason why it has no figure; empty where it has one."""
        return {METRIC: self.reason} if self.reason else {}

    @property
    def text(self) -> str:
        """What was counted, by whom: "package-0 + package-0/dram (powercap), above the rest"."""
        rest = "the rest included" if self.idle_watts is None else "above the rest"
        return f"{' + '.join(self.domains)} ({self.source}), {rest},"


NO_ENERGY = CaseEnergy()


def per_token(run: Run, trials: Sequence[Trial]) -> PerToken:
    """
    The joules per token of `trials`, which must be clean trials of one workload of `run`.

    Trials that lack one of the domains are left out, with their tokens.
    """
    if not trials:
        return PerToken(reason="no clean trial")
    chosen = _chosen(run, trials)
    if isinstance(chosen, str):
        return PerToken(reason=chosen)
    whole = [trial for trial in trials if chosen <= _by_domain(trial.energy).keys()]
    if not whole:
        return PerToken(reason="no trial in which all counters could be read")
    idle = _by_domain(run.idle_energy)
    is_battery = any(source == "battery" for source, _ in chosen)
    rests = {} if is_battery else {domain: idle[domain] for domain in chosen if domain in idle}
    reason = _reason_missing(whole, chosen, rests)
    if reason:
        return PerToken(reason=reason)
    names = tuple(sorted(name for _, name in chosen))
    joules = sum(_net_joules(whole, domain, rests.get(domain)) for domain in chosen)
    if joules <= 0:
        rest = "took nothing" if is_battery else "took no more than when idle"
        return PerToken(reason=f"{' + '.join(names)} {rest} ({units.significant(joules)} J)")
    return PerToken(
        joules=joules / _n_tokens(whole),
        domains=names,
        source=" + ".join(sorted({source for source, _ in chosen})),
        idle_watts=None if is_battery else sum(_watts(rests[domain]) for domain in chosen),
        of_domain=_of_domains(trials, idle),
    )


def of_case(found: Sequence[PerToken]) -> CaseEnergy:
    """What the Runs of a case say together; none where they counted different domains."""
    told = [one for one in found if one.joules is not None]
    if not told:
        return CaseEnergy(reason=next((one.reason for one in found), None))
    kinds = sorted({one.domains for one in told})
    if len(kinds) > 1:
        read = "; ".join(" + ".join(domains) for domains in kinds)
        return CaseEnergy(reason=f"its Runs counted different domains: {read}")
    watts = [one.idle_watts for one in told if one.idle_watts is not None]
    every = set.intersection(*(set(one.of_domain) for one in told))
    values = {name: [one.of_domain[name] for one in told] for name in sorted(every)}
    return CaseEnergy(
        domains=kinds[0],
        source=told[0].source,
        idle_watts=median(watts) if watts else None,
        of_domain={
            name: stats.estimate(of_runs, "J/token")
            for name, of_runs in values.items()
            if min(of_runs) > 0
        },
        n_silent=len(found) - len(told),
        why_silent=next((one.reason for one in found if one.reason), ""),
    )


def _chosen(run: Run, trials: Sequence[Trial]) -> set[Domain] | str:
    """The domains to add up, or the reason why there is no honest sum."""
    kind_of = {(one.source, one.domain): one.kind for trial in trials for one in trial.energy}
    devices = run.devices_loaded or run.devices_before
    uses_gpu = any(device.kind == "gpu" for device in devices)
    kinds = {*_BESIDE_EACH_OTHER, *(["gpu"] if uses_gpu else [])}
    chosen = {domain for domain, kind in kind_of.items() if kind in kinds}
    needed = "gpu" if uses_gpu else "package"
    if any(kind_of[domain] == needed for domain in chosen):
        return chosen
    battery = {domain for domain, kind in kind_of.items() if kind == "battery"}
    if battery:
        return battery
    if run.energy_reasons_missing:
        return "; ".join(
            f"{source}: {reason}" for source, reason in sorted(run.energy_reasons_missing.items())
        )
    if not kind_of:
        return "the record holds no energy"
    what = "GPU" if uses_gpu else "CPU"
    names = ", ".join(sorted(name for _, name in kind_of))
    return f"no counter covers the {what}; only {names} could be read"


def _reason_missing(
    trials: Sequence[Trial], chosen: Iterable[Domain], rests: Mapping[Domain, Energy]
) -> str | None:
    """Why windows or rests are too short for the counters; None where nothing is."""
    windows = [[_by_domain(trial.energy)[domain] for trial in trials] for domain in sorted(chosen)]
    for of_domain in windows:
        one = of_domain[0]
        least_ns = _least_window_ns(one)
        mean_ns = fmean(window.window_ns for window in of_domain)
        if mean_ns < least_ns:
            return (
                f"windows of {units.duration(mean_ns)} are too short for the counter of "
                f"{one.domain}: {units.duration(least_ns)} are needed; a longer workload "
                "(tg512, sustain60) has them"
            )
        if one.source == "battery":
            continue
        rest = rests.get((one.source, one.domain))
        if rest is None:
            return f"nothing is known of {one.domain} when idle"
        if rest.window_ns < least_ns:
            return f"the rest before loading was too short for the counter of {one.domain}"
    return _step_reason_missing(windows)


def _step_reason_missing(windows: Sequence[Sequence[Energy]]) -> str | None:
    joules = sum(fmean(window.joules for window in of_domain) for of_domain in windows)
    step = sum(max(window.step_joules or 0 for window in of_domain) for of_domain in windows)
    if joules >= _MIN_STEPS * step:
        return None
    names = " + ".join(of_domain[0].domain for of_domain in windows)
    return (
        f"{units.significant(joules)} J a trial are too few for the steps of {names} "
        f"({units.significant(step)} J): {units.significant(_MIN_STEPS * step)} J are needed; a "
        "longer workload (sustain600) takes them"
    )


def _least_window_ns(energy: Energy) -> int:
    return _MIN_REFRESHES * (energy.refresh_ns or _UNKNOWN_REFRESH_NS)


def _of_domains(trials: Sequence[Trial], idle: Mapping[Domain, Energy]) -> dict[str, float]:
    """Joules per token of each domain that has a rest, and windows long enough for its counter."""
    found = {}
    for domain in sorted({key for trial in trials for key in _by_domain(trial.energy)}):
        whole = [trial for trial in trials if domain in _by_domain(trial.energy)]
        rest = idle.get(domain)
        mean_ns = fmean(_by_domain(trial.energy)[domain].window_ns for trial in whole)
        if rest is not None and min(mean_ns, rest.window_ns) >= _least_window_ns(rest):
            found[domain[1]] = _net_joules(whole, domain, rest) / _n_tokens(whole)
    return found


def _net_joules(trials: Sequence[Trial], domain: Domain, rest: Energy | None) -> float:
    """Joules of `domain` over all trials, less what it would have taken when idle."""
    watts = 0.0 if rest is None else _watts(rest)
    windows = [_by_domain(trial.energy)[domain] for trial in trials]
    return sum(window.joules - watts * window.window_ns / 1e9 for window in windows)


def _watts(energy: Energy) -> float:
    return energy.joules / energy.window_ns * 1e9


def _n_tokens(trials: Sequence[Trial]) -> int:
    return sum(trial.n_tokens for trial in trials)


def _by_domain(energies: Iterable[Energy]) -> dict[Domain, Energy]:
    return {(one.source, one.domain): one for one in energies}

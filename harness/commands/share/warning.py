"""The warnings of a record as they may be shared: their subject, without names and advice."""

from __future__ import annotations

import re

_SIZE = r"[\d.]{1,9} [KMGT]?i?B"
# Beginnings of the sentences that machine/conditions.py and the systems' own parts make. Whatever
# varies in one is a number or one of few words.
_SUBJECTS = tuple(
    re.compile(text)
    for text in (
        r"The machine runs on battery",
        rf"Only {_SIZE} of {_SIZE} memory are free",
        r"Only \d{1,5} of \d{1,5} cores may be used",
        r"The GPU is \d{1,3} % busy with other work",
        r"The CPU governor is powersave",
        r"The CPU's energy preference is (?:power|balance_power|balance-power)",
        r"The platform profile is (?:low-power|quiet|cool)",
        r"The CPU clock is capped at [\d.]{1,5} of [\d.]{1,5} GHz",
        r"The CPU is throttling because of heat",
        r"Tasks wait for memory \d{1,3} % of the time",
        r"This process runs at reduced priority",
        r"The kernel reads time from (?:hpet|acpi_pm|pit|jiffies|refined-jiffies)",
        r"The memory lies in \d{1,3} NUMA nodes",
        r"The energy saver is on",
        r"The power plan is Power saver",
        r"The power mode is best efficiency",
        r"Low Power Mode is on and slows the chip",
        r"The Mac is hot",
        r"macOS reports memory pressure",
        r"This process has background priority and is kept on the slowest cores",
        r"This Python runs translated by Rosetta",
    )
)
_OTHERS = "Other processes use the CPU, in percent of a core: "
_SHARE = re.compile(r"(?<!\d)(\d{1,5}) %")
_MORE = re.compile(r" and (\d{1,4}) more\.")
_MOST_SHARES = 3


def without_names(warning: str) -> str | None:
    """The warning as it may be shared; None where it is not known what it says."""
    if warning.startswith(_OTHERS):
        shares = ", ".join(f"{share} %" for share in _SHARE.findall(warning)[:_MOST_SHARES])
        more = _MORE.search(warning)
        return f"{_OTHERS}{shares or 'unknown'}{f' and {more[1]} more' if more else ''}."
    found = next((it for each in _SUBJECTS if (it := each.match(warning))), None)
    return f"{found[0]}." if found else None

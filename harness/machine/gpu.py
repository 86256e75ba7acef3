"""
Graphics cards by their vendors' own sources: nvidia-smi's table and the kernel's DRM folders.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from harness.machine.reading import Answer, ask, read_int, read_text, to_int
from harness.schema.machine import Accelerator

_MIB = 1 << 20
# One unknown field name fails the whole query: these four are as old as the option itself.
NVIDIA_FIELDS = "name,memory.total,driver_version,utilization.gpu"
_PCI_VENDORS = {"0x1002": "AMD", "0x8086": "Intel", "0x10de": "NVIDIA"}
# Connectors (card0-DP-1) and render nodes lie in the same folder.
_CARD = re.compile(r"card\d+")


@dataclass(frozen=True)
class Card:
    """An accelerator and how busy it is now; None where the driver does not tell."""

    accelerator: Accelerator
    busy_percent: int | None


def ask_nvidia() -> Answer:
    """The CSV of NVIDIA_FIELDS, from wherever this system keeps nvidia-smi."""
    commands = ["nvidia-smi"]
    if sys.platform == "win32":
        windows = os.environ.get("WINDIR", r"C:\Windows")
        commands.append(str(Path(windows) / "System32" / "nvidia-smi.exe"))
    else:
        commands.append("/usr/lib/wsl/lib/nvidia-smi")
    answer = Answer(None, "nvidia-smi is not installed")
    for command in commands:
        answer = ask(command, f"--query-gpu={NVIDIA_FIELDS}", "--format=csv,noheader,nounits")
        if answer.text is not None:
            break
    return answer


def parse_nvidia(text: str | None) -> tuple[Card, ...]:
    """
    Cards of nvidia-smi's CSV with the columns NVIDIA_FIELDS; MiB become bytes.

    "[N/A]", "[Not Supported]" and the like are None. A line that is no such row (the tool prints
    its errors to standard output) is passed over.
    """
    cards = []
    for line in (text or "").splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(NVIDIA_FIELDS.split(",")):
            continue
        name, memory_mib, driver, busy = cells
        mib = to_int(memory_mib)
        accelerator = Accelerator(
            name=name,
            vendor="NVIDIA",
            memory_bytes=None if mib is None else mib * _MIB,
            driver=None if driver.startswith("[") else driver,
        )
        cards.append(Card(accelerator, to_int(busy)))
    return tuple(cards)


def read_drm_cards(root: Path) -> tuple[Card, ...]:
    """
    AMD and Intel cards of /sys/class/drm; NVIDIA's are left to nvidia-smi.

    AMD's memory is mem_info_vram_total, never the CPU-visible window (mem_info_vis_vram_total,
    256 MiB without resizable BAR). On an APU it is the firmware's carve-out only.
    """
    folder = root / "sys/class/drm"
    try:
        names = sorted(p.name for p in folder.iterdir() if _CARD.fullmatch(p.name))
    except OSError:
        return ()
    cards = []
    for name in names:
        device = folder / name / "device"
        vendor = _PCI_VENDORS.get(read_text(device / "vendor") or "")
        if vendor in ("AMD", "Intel"):
            accelerator = Accelerator(
                name=_card_name(device, vendor),
                vendor=vendor,
                memory_bytes=read_int(device / "mem_info_vram_total"),
                driver=_driver(device),
            )
            cards.append(Card(accelerator, read_int(device / "gpu_busy_percent")))
    return tuple(cards)


def _card_name(device: Path, vendor: str) -> str:
    # product_name is often empty on consumer cards; the PCI id still tells two cards apart.
    product = read_text(device / "product_name")
    if product:
        return product if product.startswith(vendor) else f"{vendor} {product}"
    return f"{vendor} GPU {read_text(device / 'device') or ''}".strip()


def _driver(device: Path) -> str | None:
    try:
        return (device / "driver").readlink().name
    except OSError:
        return None

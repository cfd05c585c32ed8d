"""What this node has, as a pod may read it: processors and memory from /proc, limits from its own control group, GPUs from /sys.

Nothing of the host is mounted for this: /proc and /sys of a container show the node's. What they do not show is said and not guessed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

GIB = 1024**3
_VENDORS = {"0x10de": "NVIDIA", "0x1002": "AMD", "0x8086": "Intel"}
_SPEEDUPS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16", "i8mm")
"""What of a processor's flags makes inference quick."""


@dataclass(frozen=True)
class Gpu:
    name: str
    memory: int | None
    """Bytes; None where the driver tells it to its own tools alone."""


@dataclass(frozen=True)
class Node:
    processor: str
    cpus: int
    speedups: tuple[str, ...]
    memory: int
    """Bytes, of the whole node."""
    available: int
    """Bytes that are free or can be freed at once."""
    gpus: tuple[Gpu, ...] = ()
    notes: tuple[str, ...] = field(default=())


def read_node(root: Path = Path("/")) -> Node:
    """`root` is where `proc` and `sys` are."""
    info = _text(root / "proc/cpuinfo")
    memory = dict(re.findall(r"^(\w+):\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE))
    flags = set((_first(r"^(?:flags|Features)\s*:\s*(.*)$", info) or "").split())
    gpus = tuple(_gpus(root))
    return Node(
        processor=_first(r"^model name\s*:\s*(.*)$", info) or os.uname().machine,
        cpus=len(re.findall(r"^processor\s*:", info, re.MULTILINE)) or os.cpu_count() or 1,
        speedups=tuple(flag for flag in _SPEEDUPS if flag in flags),
        memory=int(memory.get("MemTotal", 0)) * 1024,
        available=int(memory.get("MemAvailable", 0)) * 1024,
        gpus=gpus,
        notes=tuple(_notes(root, gpus)),
    )


def _gpus(root: Path) -> Iterator[Gpu]:
    """Display and 3D controllers among the PCI devices."""
    devices = root / "sys/bus/pci/devices"
    for device in sorted(devices.iterdir()) if devices.is_dir() else ():
        vendor = _VENDORS.get(_text(device / "vendor").strip())
        if vendor is None or not _text(device / "class").strip().startswith(("0x0300", "0x0302", "0x0380")):
            continue
        number = _text(device / "device").strip().removeprefix("0x")
        model = _first(r"^Model:\s*(.*)$", _text(root / f"proc/driver/nvidia/gpus/{device.name}/information"))
        yield Gpu(f"{vendor} {(model or '').removeprefix('NVIDIA ') or f'device {number}'}", _video_memory(device))


def _video_memory(device: Path) -> int | None:
    """AMD's driver tells; NVIDIA's tells its own library alone."""
    text = _text(device / "mem_info_vram_total").strip()
    return int(text) if text.isdigit() else None


def _notes(root: Path, gpus: tuple[Gpu, ...]) -> Iterator[str]:
    if any(gpu.memory is None for gpu in gpus):
        yield "the memory of a GPU cannot be read from here: give it as gpu_memory (its data sheet or nvidia-smi has it)"
    if not (root / "sys/bus/pci/devices").is_dir():
        yield "PCI devices cannot be seen from here, so neither can GPUs: give gpu_memory if there is one"
    if not gpus and (root / "sys/bus/pci/devices").is_dir():
        yield "no GPU is seen: models would run on the processor"


def _first(pattern: str, text: str) -> str | None:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1].strip() if found else None


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")[: 4 * 1024 * 1024]
    except OSError:
        return ""

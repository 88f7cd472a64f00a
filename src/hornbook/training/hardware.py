"""Machines to plan for: what their makers say of them, and what is assumed where nobody says it.

Peaks are those without sparsity; memory is the makers' GB of 10^9 bytes (a card tells its programs a few percent more,
which its driver then needs). A share of a peak that a training reaches, the price of an hour and the time that Python
takes to start an operation are assumptions, and every plan that uses them says so.
"""

import os
import platform
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hornbook.device import Precision
from hornbook.errors import UserError, nearest

DEVICES_A_NODE = 8
NETWORK = 50e9  # bytes a second and device, each way, between nodes: 400 Gbit/s for every GPU, as NVIDIA's DGX has
UTILISATION = {"bf16": 0.3, "fp32": 0.5}  # of the peak, where products are large; assumed
START_SECONDS = 8e-6  # that Python and torch need to start one operation: small models wait for it; assumed
GPU_PROCESS = (
    1_000_000_000  # bytes that a process takes of a card before it has a tensor: CUDA's own, libraries; assumed
)


@dataclass(frozen=True)
class Kind:
    """One device: bytes, FLOP/s, bytes a second; `link` to its neighbours, each way; `dollars` an hour, assumed."""

    memory: float
    bf16: float
    fp32: float
    bandwidth: float
    link: float
    dollars: float


# NVIDIA's data sheets: "H100 Tensor Core GPU", "H200 Tensor Core GPU", "HGX B200", "A100 80GB" (all SXM), "L40S", "L4";
# for the GeForce card the white paper of Ada (bf16 with fp32 sums). A link is half of what is printed, which counts both
# ways: NVLink, or 16 lanes of PCIe 4. Prices: round numbers near those that several hosts asked for an hour on demand in
# the winter of 2025/26.
KINDS = {
    "rtx4090": Kind(24e9, 165e12, 82.6e12, 1008e9, 32e9, 0.6),
    "l4": Kind(24e9, 121e12, 30.3e12, 300e9, 32e9, 0.8),
    "l40s": Kind(48e9, 362e12, 91.6e12, 864e9, 32e9, 1.4),
    "a100": Kind(80e9, 312e12, 19.5e12, 2039e9, 300e9, 2.0),
    "h100": Kind(80e9, 989e12, 67e12, 3350e9, 450e9, 3.0),
    "h200": Kind(141e9, 989e12, 67e12, 4800e9, 450e9, 4.0),
    "b200": Kind(180e9, 2250e12, 75e12, 7700e9, 900e9, 6.0),
}


@dataclass(frozen=True)
class Machine:
    """`count` devices of one kind, in nodes of 8: 'h100', '8xh100', '64xh100'."""

    kind: str
    count: int = 1

    @property
    def name(self) -> str:
        """As a user writes it."""
        return self.kind if self.count == 1 else f"{self.count}x{self.kind}"

    @property
    def device(self) -> Kind:
        """One of its devices."""
        return KINDS[self.kind]

    @property
    def link(self) -> float:
        """Bytes a second between two of its devices, each way: the network's where they fill more than one node."""
        return self.device.link if self.count <= DEVICES_A_NODE else min(self.device.link, NETWORK)

    def flops(self, precision: Precision) -> float:
        """FLOP/s of one device that are counted on: the assumed share of its peak."""
        return UTILISATION[precision] * (self.device.bf16 if precision == "bf16" else self.device.fp32)


def machine_named(name: str) -> Machine:
    """'h100' or '8xh100'. Errors: `UserError` with the choices and the near name for another one."""
    form = re.fullmatch(r"(?:(\d+)x)?([a-z0-9]+)", name.lower())
    if form is None or form[2] not in KINDS:
        names = ["cpu", *sorted(KINDS)]
        near = nearest(name, names)
        hint = (f"did you mean '{near}'? " if near else "") + "several are written 8xh100"
        raise UserError(f"unknown machine '{name}'", choices=names, hint=hint)
    if int(form[1] or 1) < 1:
        raise UserError(f"a machine of no devices: '{name}'", hint=f"write {form[2]} or 8x{form[2]}")
    return Machine(form[2], int(form[1] or 1))


def memory_here() -> int:
    """Bytes of memory that programs may use here: the machine's, or less where a container has a limit; 0 if unknown."""
    limits = []
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        text = Path(place).read_text().strip() if Path(place).exists() else ""
        limits += [int(text)] if text.isdigit() else []
    with suppress(AttributeError, ValueError):  # Windows has no sysconf
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return min(limits, default=0)


def memory_free() -> int | None:
    """Bytes that are free here now, or None where the system doesn't say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


def heap_here() -> float:
    """Bytes that a byte of a small tensor comes to on this machine's CPU, holes of the heap included.

    Every tensor is aligned, and glibc asks its heap for more than the tensor's size to do so: the hole that a tensor
    leaves is too small for the next of its size. Measured after a few steps: 1.61 to 1.70 (three recipes, glibc 2.36).
    """
    return 1.65 if platform.libc_ver()[0] == "glibc" else 1.0

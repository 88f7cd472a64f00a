"""What a benchmark ran on: processor, memory, measured speeds, versions: `python benchmarks/machine.py`."""

import json
import os
import platform
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

PACKAGES = ("torch", "transformers", "tokenizers", "tiktoken", "rustbpe", "litgpt", "numpy")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")  # the units that decide how fast a matrix product is
SIDE, TIMES = 2048, 5
READ_FLOATS = 64 * 2**20  # 256 MB: more than a processor's cache holds of it from one reading to the next, on most


def facts() -> dict[str, Any]:
    """Everything that a reader needs to compare figures with another machine's."""
    import torch

    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "units": [flag for flag in FLAGS if flag in flags()],
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "fp32_gflops": round(matmul_rate("float32")),
        "bf16_gflops": round(matmul_rate("bfloat16")),
        "read_gb_per_second": round(read_rate(), 1),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": versions(),
    }


def processor() -> str:
    """The processor's name as the kernel has it (Linux), or as Python has."""
    return first_of("model name") or platform.processor() or platform.machine()


def flags() -> list[str]:
    """The processor's abilities (Linux), none where they aren't told."""
    return first_of("flags").split()


def first_of(name: str) -> str:
    """The first value of a line of /proc/cpuinfo, '' where there is none."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), "")


def matmul_rate(kind: str) -> float:
    """GFLOP/s of a product of two square matrices on all of torch's threads."""
    import torch

    left, right = (torch.randn(SIDE, SIDE, dtype=getattr(torch, kind)) for _ in range(2))
    return 2 * SIDE**3 / 1e9 / seconds(lambda: left @ right)


def read_rate() -> float:
    """GB/s at which all threads read a large array."""
    import torch

    numbers = torch.ones(READ_FLOATS)
    return 4 * READ_FLOATS / 1e9 / seconds(numbers.sum)


def seconds(work: Callable[[], object]) -> float:
    """The middle of TIMES times, after one for warming up."""
    times = []
    for _ in range(TIMES + 1):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return median(times[1:])


def versions() -> dict[str, str]:
    """Package -> version, the installed ones only."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    print(json.dumps(facts(), indent=2))

"""What the machine offers: which device, which precision, how much memory was used."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Literal

from hornbook.errors import UserError

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "bf16"]
AskedPrecision = Literal["auto", "fp32", "bf16"]  # auto: by `precision_for`, when a training is new
WeightPrecision = Literal["fp32", "bf16", "int8", "int4"]  # of a finished model's weights, when it writes


def choose_device(name: str = "auto") -> "torch.device":
    """'auto' -> the first of cuda, mps, cpu that works here; any other name is checked.

    Errors: `UserError` for a device that this machine doesn't have.
    """
    import torch

    available = ["cpu"]
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    if torch.backends.mps.is_available():
        available.insert(0, "mps")
    if name == "auto":
        return torch.device(available[0])
    if name.partition(":")[0] not in available:
        raise UserError(f"no device '{name}' here", choices=["auto", *available])
    return torch.device(name)


LARGE = 10_000_000  # parameters, from which products are long enough for bf16 to pay


def has_bf16_unit(device: "torch.device") -> bool:
    """Whether the device multiplies matrices of bf16 in a unit made for that: AMX on a CPU, tensor cores on a GPU.

    AVX512-BF16 is none: with it alone autocast halves the speed at 0.8, 10.7 and 124 million parameters (docs/speed.md).
    Nor is MPS counted, where nothing was measured.
    """
    import torch

    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported())
    if device.type != "cuda":
        return False
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def precision_for(parameters: int, bf16_unit: bool) -> Precision:
    """What a model of so many parameters is trained in where nobody says: bf16 where there is a unit for it and work enough.

    With AMX autocast trained 7,400 in place of 3,360 tokens/s at 10.7 million parameters, and 474 in place of 246 at 124
    million; below nothing was measured. On a GPU smaller models wait for Python, not for arithmetic.
    """
    return "bf16" if bf16_unit and parameters >= LARGE else "fp32"


def autocast(device: "torch.device", precision: Precision) -> AbstractContextManager[object]:
    """The context in which a forward pass computes in `precision`; weights and optimizer state stay fp32."""
    import torch

    return torch.autocast(device.type, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


@contextmanager
def fast_products(device: "torch.device") -> Iterator[None]:
    """Inside, products of float32 matrices on an NVIDIA GPU round their factors to TF32's 10 bits, and run 8 times as fast.

    Sums stay float32. Elsewhere nothing changes; the setting is restored after.
    """
    import torch

    if device.type != "cuda":
        yield
        return
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def peak_memory_bytes() -> int:
    """The most memory this process has held at once (resident set), in bytes; 0 where the system doesn't say."""
    peak = _status("VmHWM")
    if peak is not None:  # Linux; what `getrusage` says there may be the peak of the program that started this one
        return peak
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # macOS counts bytes, others kibibytes


def memory_bytes() -> int:
    """The memory that this process holds now, in bytes; where the system doesn't say, the most it has held."""
    now = _status("VmRSS")
    return peak_memory_bytes() if now is None else now


def _status(name: str) -> int | None:
    """A size that Linux keeps of this process, in bytes; None on other systems."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":")), None)
    except OSError:
        return None

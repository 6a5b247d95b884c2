"""Where workers compute: a process for each GPU (or for each share of one), else the CPU's cores divided among
processes.

The parent plans with `placements` and never imports TensorFlow; each worker calls `prepare` before it computes
anything.
"""

import contextlib
import os
import platform
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import ExperimentError

if TYPE_CHECKING:
    from bench.engine.training.batches import Batch

PRECISIONS = {
    "auto": "mixed_float16 on GPUs with tensor cores, float32 elsewhere",
    "float32": "single precision throughout",
    "mixed_float16": "half precision with loss scaling, variables and the head in float32",
    "mixed_bfloat16": "bfloat16, variables and the head in float32",
}
"""The protocol's `precision`: equal for every candidate of a run."""

XLA = {
    "off": "never: the default, until a GPU has shown what it gains",
    "auto": "on GPUs, for trials that are long enough to pay for compiling; never on CPUs",
    "on": "XLA compiles training steps, but for networks with max pooling: a longer first step for faster later ones",
}
"""The protocol's `xla`."""

XLA_PAYS_STEPS = 2000
"""Training steps of a trial from which on `auto` compiles: on a GPU, XLA needs half a minute and more for a network."""

_TENSOR_CORES = (7, 0)
"""Compute capability from which half precision is fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where one worker computes. `gpu` is an entry of CUDA_VISIBLE_DEVICES; `memory_bytes` bounds what it takes of a
    GPU that it shares (None: as it grows); `threads` bounds a CPU operation (None: TensorFlow decides)."""

    gpu: str | None = None
    memory_bytes: int | None = None
    threads: int | None = None


def placements(workers: int | None = None, *, environment: Mapping[str, str] = os.environ) -> tuple[Placement, ...]:
    """One placement a worker: `workers` None means one for each GPU, or one for the CPU.

    More workers than GPUs share them evenly: two workers on one GPU get 45% of its memory each. Raises ExperimentError
    where the workers outnumber the CPU's cores, or cannot be spread evenly over the GPUs.
    """
    gpus = visible_gpus(environment)
    if not gpus:
        cores, count = os.cpu_count() or 1, workers or 1
        if count > cores:
            raise ExperimentError(f"{count} workers on {cores} CPU cores; choose 1 to {cores}")
        return (Placement(threads=cores // count if count > 1 else None),) * count
    count = workers or len(gpus)
    if count > len(gpus) and count % len(gpus):
        raise ExperimentError(f"{count} workers cannot share {len(gpus)} GPUs evenly; choose a multiple of {len(gpus)}")
    share = count // len(gpus)
    return tuple(
        Placement(gpu=name, memory_bytes=int(0.9 * memory_bytes / share) if share > 1 and memory_bytes else None)
        for name, memory_bytes in (gpus * max(1, share))[:count]
    )


def visible_gpus(environment: Mapping[str, str] = os.environ) -> list[tuple[str, int | None]]:
    """(name for CUDA_VISIBLE_DEVICES, memory in bytes if the driver tells) of each NVIDIA GPU that this process may
    use; [] without a driver."""
    query = ["nvidia-smi", "--query-gpu=index,uuid,memory.total", "--format=csv,noheader,nounits"]
    try:
        listed = subprocess.run(query, capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    present = {}
    for line in filter(None, map(str.strip, listed.splitlines())):
        index, uuid, mebibytes = (part.strip() for part in line.split(","))
        known = int(mebibytes) * 2**20 if mebibytes.isdigit() else None  # "[N/A]" where CPU and GPU share memory
        present[index] = present[uuid] = (index, known)
    allowed = environment.get("CUDA_VISIBLE_DEVICES")
    if allowed is None:
        return list(dict.fromkeys(present.values()))
    chosen = []
    for name in map(str.strip, allowed.split(",")):
        if name not in present:  # as CUDA does: what follows an unknown device is not visible
            break
        chosen.append(present[name])
    return chosen


def prepare(placement: Placement) -> None:
    """Sets TensorFlow up in a worker, before it computes anything: same results every time, GPU memory as it is
    needed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # TensorFlow's own default leaves it off on CPUs with AVX2 only
    if placement.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = placement.gpu
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(1)  # augmentation has threads of its own
    if placement.threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(placement.threads)
        tf.config.threading.set_inter_op_parallelism_threads(placement.threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        if placement.memory_bytes is None:
            tf.config.experimental.set_memory_growth(gpu, True)
        else:
            limit = tf.config.LogicalDeviceConfiguration(memory_limit=placement.memory_bytes // 2**20)
            tf.config.set_logical_device_configuration(gpu, [limit])
    tf.config.experimental.enable_op_determinism()


def resolved_precision(precision: str) -> str:
    """What "auto" means on this worker's device."""
    import tensorflow as tf

    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
    fast = bool(gpus) and all((detail.get("compute_capability") or (0, 0)) >= _TENSOR_CORES for detail in details)
    return "mixed_float16" if fast else "float32"


def uses_xla(xla: str, steps: int) -> bool:
    """Whether a trial that may take so many training steps is compiled by XLA on this worker's device. It depends on
    nothing that happened before, so equal trials stay equal."""
    return xla == "on" or (xla == "auto" and steps >= XLA_PAYS_STEPS and accelerator() is not None)


def accelerator() -> str | None:
    """TensorFlow's name of this worker's GPU; None where the CPU computes."""
    import tensorflow as tf

    return next((device.name for device in tf.config.list_logical_devices("GPU")), None)


def copied_to(device: str | None) -> "Callable[[Batch], Batch]":
    """What takes a batch to the device's memory, in the thread that made it, while the device computes; None: it stays
    where it is."""
    import tensorflow as tf

    def copied(batch: "Batch") -> "Batch":
        with tf.device(device):
            return tuple(tf.constant(array) for array in batch)

    return copied if device else lambda batch: batch


def describe() -> str:
    """For people: "GPU: NVIDIA H200" or "CPU: 2 cores, Intel ..."."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "unknown")
        return f"GPU: {name}"
    return describe_cpu()


def describe_cpu() -> str:
    """What `describe` says where no GPU is used; needs no TensorFlow."""
    return f"CPU: {os.cpu_count()} cores, {_cpu_name()}"


@dataclass(slots=True)
class PeakMemory:
    """Highest resident memory of this process, in bytes, while it was watched; None where the system does not tell."""

    num_bytes: int | None = None


@contextlib.contextmanager
def peak_memory() -> Iterator[PeakMemory]:
    """Watches a block. Linux keeps the mark and lets a process reset its own."""
    memory = PeakMemory()
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    try:
        yield memory
    finally:
        with contextlib.suppress(OSError):
            lines = Path("/proc/self/status").read_text().splitlines()
            memory.num_bytes = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), None)


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

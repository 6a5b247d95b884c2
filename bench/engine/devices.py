"""The worker's hardware: GPUs where there are any, the CPU otherwise."""

import contextlib
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bench.engine.spec import TrialOutcome


def prepare() -> None:
    """Sets TensorFlow up in a worker, before it computes anything: same results every time, GPU memory as it is needed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(1)  # augmentation has threads of its own
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_op_determinism()


def describe() -> str:
    """For people: "GPU: NVIDIA H200 x 1" or "CPU: 2 cores, Intel ..."."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        name = tf.config.experimental.get_device_details(gpus[0]).get("device_name", "unknown")
        return f"GPU: {name} x {len(gpus)}"
    return f"CPU: {os.cpu_count()} cores, {_cpu_name()}"


@dataclass(slots=True)
class PeakMemory:
    """Highest resident memory of this process, in bytes, while it was watched; None where the system does not tell."""

    num_bytes: int | None = None

    def added_to(self, outcome: TrialOutcome) -> TrialOutcome:
        return replace(outcome, record=replace(outcome.record, peak_memory_bytes=self.num_bytes))


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

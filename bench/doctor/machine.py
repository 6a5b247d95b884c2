"""The machine: processor, memory and disks."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from bench.doctor import Finding
from bench.errors import StoreError
from bench.formats import plural
from bench.records.durable import require_writable
from bench.records.environment import memory_limit

INSTRUCTION_SETS = ("sse4_2", "avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_tile", "asimd", "sve")
"""That make a difference to TensorFlow, by their names in /proc/cpuinfo; the last two are ARM's."""

LEAST_MEMORY_BYTES = 2 * 2**30
"""Of the process and one worker with a small network at 128 px."""

LEAST_DISK_BYTES = 2**30
"""For a run's weights, maps and model."""

SHARED_MEMORY = Path("/dev/shm")
LEAST_SHARED_BYTES = 2**30
"""Ray keeps the pixels of a run there; Docker gives a container 64 MB."""


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> Finding:
    """Cores, model and instruction sets. TensorFlow's builds for x86-64 stop at once on a processor without AVX."""
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines() if cpuinfo.is_file() else []
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in reversed(lines))}
    flags = set((said.get("flags") or said.get("Features") or "").split())
    there = [name for name in INSTRUCTION_SETS if name in flags]
    name = said.get("model name") or platform.processor() or platform.machine()
    found = f"{plural(usable_cores(), 'core')}, {name}; {', '.join(there) or 'instruction sets not known'}"
    lacks_avx = bool(flags) and "flags" in said and "avx" not in flags
    return Finding(
        subject="processor",
        found=found,
        problem="TensorFlow needs AVX, which this processor does not have" if lacks_avx else None,
        mend="use a machine with AVX, or give the virtual machine its host's processor (-cpu host)"
        if lacks_avx
        else None,
    )


def usable_cores() -> int:
    """That this process may run on: fewer than the machine has, where its job or container was given some."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory() -> Finding:
    """What the processes here may hold, and what is free of it."""
    limit, available = memory_limit(), psutil.virtual_memory().available
    free = min(limit, available)
    low = free < LEAST_MEMORY_BYTES
    return Finding(
        subject="memory",
        found=f"{_size(limit)}, {_size(free)} free",
        problem=f"a training needs {_size(LEAST_MEMORY_BYTES)}" if low else None,
        mend="end other programs, or give the container more (docker run --memory 4g)" if low else None,
    )


def disks(results: Path, pixel_bytes: int, *, on_ray: bool) -> Iterator[Finding]:
    """Where runs are kept, where `pixel_bytes` of decoded images go while one is under way, and shared memory, which
    Ray alone needs."""
    yield _disk("results", results, LEAST_DISK_BYTES, "--results DIR on another disk, or remove old runs")
    scratch = Path(tempfile.gettempdir())
    yield _disk("temporary files", scratch, pixel_bytes, "export TMPDIR=DIR on another disk")
    if SHARED_MEMORY.is_dir():
        least = LEAST_SHARED_BYTES if on_ray else 0
        yield _disk("shared memory", SHARED_MEMORY, least, "docker run --shm-size 2g")


def _disk(subject: str, folder: Path, least: int, mend: str) -> Finding:
    present = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(present).free
    found = f"{folder}: {_size(free)} free"
    try:
        require_writable(folder)
    except StoreError as error:
        return Finding(subject=subject, found=found, problem=str(error), mend=mend)
    if free < least:
        return Finding(subject=subject, found=found, problem=f"{_size(least)} are needed", mend=mend)
    return Finding(subject=subject, found=found)


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 2**30:.1f} GiB" if num_bytes >= 2**30 else f"{num_bytes / 2**20:.0f} MiB"

"""The half of a Ray worker that computes: `Trainer` as an actor on whichever machine has room.

It shares no file system with the driver: pixels and weights come and go through Ray's object store.
"""

import hashlib
import os
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
import ray
from filelock import FileLock

from bench.engine.devices import Placement, prepare, visible_gpus
from bench.engine.spec import EpochEnded, Scored, TrialOutcome, TrialSetup, TrialSpec
from bench.engine.worker import MEMORY_SHARE
from bench.records import EpochRecord
from bench.records.environment import current_versions, memory_limit

if TYPE_CHECKING:
    from bench.engine.training.trainer import Trainer

LISTEN_S = 2.0
"""So long a worker waits for news before it says that there are none, and how much memory it holds."""

_GPU_SHARE = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """A pixel cache in the object store: (size in bytes, content as uint8) by relative path; `key` is a hash of it
    all."""

    key: str
    files: Mapping[str, tuple[int, Any]]

    @classmethod
    def put(cls, directory: Path) -> "Pixels":
        """Takes a cache directory up, once for all workers."""
        digest, files = hashlib.sha256(), {}
        for path in sorted(path for path in directory.rglob("*") if path.is_file()):
            name, content = path.relative_to(directory).as_posix(), np.asarray(np.memmap(path, np.uint8, "r"))
            digest.update(f"{name} {content.size}\n".encode())
            digest.update(content.data)
            files[name] = content.size, ray.put(content)
        return cls(key=digest.hexdigest()[:32], files=files)

    def written(self) -> Path:
        """The cache as a directory of this machine, which all of a user's workers on it share. It is kept for later
        runs."""
        root = Path(tempfile.gettempdir()) / f"segbench-pixels-{os.getuid()}"
        root.mkdir(mode=0o700, exist_ok=True)
        if root.stat().st_uid != os.getuid():
            raise PermissionError(f"{root} belongs to somebody else")
        directory = root / self.key
        with FileLock(root / f"{self.key}.lock"):
            for name, (num_bytes, content) in self.files.items():
                path = directory / name
                if not path.is_file() or path.stat().st_size != num_bytes:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    part = path.with_name(f"{path.name}.part")
                    ray.get(content).tofile(part)
                    part.replace(path)
        return directory


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerInfo:
    """Facts of a worker that is up. `memory_bytes` is the limit of its process; `problem` is why it is of no use; `log`
    is the file on its machine with its output."""

    process_id: int
    device: str
    precision: str
    versions: Mapping[str, str]
    memory_bytes: int
    problem: str | None = None
    log: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Epochs that have ended since the last update, the memory of the process, and the start of the running trial in
    its log."""

    epochs: Sequence[EpochEnded] = ()
    held_bytes: int = 0
    log_start: int = 0


class TrialActor:
    """Computes in one thread ("compute") and sends epochs in another ("listen"). `share` is this worker's part of its
    machine, whose memory is `memory_bytes` if Ray knows it. `gpu_share` is its part of the GPU that Ray gave it.
    `threads` limits a CPU operation."""

    def __init__(
        self,
        setup: TrialSetup,
        pixels: Pixels,
        *,
        share: float,
        memory_bytes: int | None,
        gpu_share: float | None,
        threads: int,
    ) -> None:
        total = MEMORY_SHARE * memory_limit()
        self._memory_bytes = int(share * min(total, memory_bytes or total))
        self._setup = replace(setup, cache_directory=pixels.written())
        self._gpu_share, self._threads = gpu_share, threads
        self._changed = threading.Condition()
        self._ended: list[EpochEnded] = []
        self._spec: TrialSpec | None = None
        self._log_start = 0
        self._made: Trainer | None = None

    @ray.method(concurrency_group="compute")
    def set_up(self, pairs: Sequence[tuple[str, str]]) -> WorkerInfo:
        """Starts TensorFlow, and loads every (backbone, encoder_weights) pair."""
        device, problem = self._trainer.device(), self._trainer.check_weights(pairs)
        if self._gpu_share is not None and not device.startswith("GPU"):
            problem = "TensorFlow does not see the GPU that Ray reserved: install 'segbench[gpu]' there"
        return WorkerInfo(
            process_id=os.getpid(),
            device=device,
            precision=self._trainer.precision(),
            versions=current_versions(),
            memory_bytes=self._memory_bytes,
            problem=problem,
            log=log_of_this_process(),
        )

    @ray.method(concurrency_group="compute")
    def run(self, spec: TrialSpec) -> TrialOutcome | str:
        """A trial's outcome, or why there is none."""
        self._spec, self._log_start = spec, num_bytes_of(log_of_this_process())
        return self._trainer.run(spec)

    @ray.method(concurrency_group="compute")
    def model(self) -> bytes:
        return self._trainer.model()

    @ray.method(concurrency_group="compute")
    def score(self, spec: TrialSpec, model: bytes, ids: Sequence[str]) -> Scored | str:
        return self._trainer.score(spec, model, ids)

    @ray.method(concurrency_group="listen")
    def listen(self) -> Update:
        """Epochs since the last call, as soon as there are any; none after a while. A pending call is also how a death
        is noticed."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended, LISTEN_S)
            epochs, self._ended = self._ended, []
            return Update(epochs=epochs, held_bytes=psutil.Process().memory_info().rss, log_start=self._log_start)

    @property
    def _trainer(self) -> "Trainer":
        """Made in the thread that computes: Keras keeps some of its state by thread."""
        if self._made is None:
            memory_bytes = None
            if self._gpu_share is not None and self._gpu_share < 1 and (of_gpu := visible_gpus()[0][1]):
                memory_bytes = int(_GPU_SHARE * self._gpu_share * of_gpu)
            gpu = "" if self._gpu_share is None else None  # None: as Ray has set it
            threads = self._threads if self._gpu_share is None else None
            prepare(Placement(gpu=gpu, memory_bytes=memory_bytes, threads=threads))
            from bench.engine.training.trainer import Trainer  # and with it TensorFlow, which reads what was prepared

            self._made = Trainer(self._setup, tell=self._tell, memory_bytes=self._memory_bytes)
        return self._made

    def _tell(self, epoch: EpochRecord) -> None:
        assert self._spec is not None
        with self._changed:
            self._ended.append(EpochEnded(spec=self._spec, epoch=epoch))
            self._changed.notify()


def log_of_this_process() -> str:
    """The file that Ray writes a worker's errors to."""
    from ray._private.worker import global_worker

    return str(global_worker.get_err_file_path())


def num_bytes_of(path: str) -> int:
    return Path(path).stat().st_size if Path(path).is_file() else 0


def end_of_log(path: str, start: int, lines: int, num_bytes: int = 4096) -> str:
    """The last lines from byte `start` on of a file of this machine, in one line; "" if there are none."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - num_bytes))
            said = file.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return " | ".join([line.strip() for line in said if line.strip()][-lines:])

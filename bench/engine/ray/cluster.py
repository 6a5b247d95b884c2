"""A Ray cluster as the driver sees it: how to get there, which machines it has, and how many workers each of them
seats.

Ray is imported in functions only: whoever has no cluster does not need it.
"""

import os
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from bench.engine.ray.security import on_this_machine_alone, require_token
from bench.errors import ExperimentError

CLIENT = "ray://"
CONNECT_S = 5.0
"""How long an address may take to answer. Ray itself would try for a minute."""

_ATTEMPTS = 3
"""To join a cluster from elsewhere: its head starts a process for each driver, and gives up on it after half a minute
when it is busy."""

_QUIET = {"logging_level": "error", "log_to_driver": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A machine that is up, with what it offers to Ray."""

    node_id: str
    host: str
    cores: int
    gpus: int
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """What each worker reserves: a GPU or a share of one, else CPU cores (None: all of its machine)."""

    gpu_share: float | None = None
    cores: int | None = None

    def room(self, node: Node) -> int:
        """How many workers sit on a machine."""
        if self.gpu_share is not None:
            return round(1 / self.gpu_share) * node.gpus
        return min(node.cores, 1) if self.cores is None else node.cores // self.cores


def reservation(nodes: Sequence[Node], workers: int | None) -> Reservation:
    """What a worker gets on a cluster of `nodes`, at least one: `workers` None means one for each GPU, or one a machine
    where there is no GPU; else so many share the GPUs, or the cores."""
    gpus = sum(node.gpus for node in nodes)
    if gpus:
        return Reservation(gpu_share=1 / max(1, -(-(workers or 1) // gpus)))
    if workers is None:
        return Reservation()
    most = max(node.cores for node in nodes)
    enough = (cores for cores in range(most, 1, -1) if sum(node.cores // cores for node in nodes) >= workers)
    return Reservation(cores=next(enough, 1))


def nodes_of(listed: Iterable[Mapping[str, Any]]) -> list[Node]:
    """What `ray.nodes()` says of machines that are up and compute."""
    found = [
        Node(
            node_id=entry["NodeID"],
            host=entry["NodeManagerAddress"],
            cores=int(entry["Resources"].get("CPU", 0)),
            gpus=int(entry["Resources"].get("GPU", 0)),
            memory_bytes=int(entry["Resources"].get("memory", 0)) or None,
        )
        for entry in listed
        if entry["Alive"]
    ]
    return [node for node in found if node.cores or node.gpus]


def require_reachable(cluster: str) -> None:
    """Raises ExperimentError, one line, where Ray is not installed or nothing listens at the address. Starts
    nothing."""
    if find_spec("ray") is None:
        raise ExperimentError(f"Ray is not installed, and cluster {cluster!r} needs it: pip install 'segbench[ray]'")
    address = os.environ.get("RAY_ADDRESS", "") if cluster == "auto" else cluster
    if found := re.fullmatch(r"(?:ray://)?\[?(.+?)\]?:(\d+)", address):
        try:
            socket.create_connection((found[1], int(found[2])), CONNECT_S).close()
        except (OSError, OverflowError) as error:
            said = getattr(error, "strerror", None) or error
            raise ExperimentError(f"no Ray cluster answers at {address}: {said}") from error


def connect(cluster: str) -> None:
    """Makes this process the driver of a cluster: "local" starts one on this machine, for this process alone, "auto"
    takes the one that runs on it. Raises ExperimentError, one line, also for a cluster that lets everybody in
    (`require_token`)."""
    require_reachable(cluster)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    init: Any = ray.init
    own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if cluster == "local" else {}
    for attempt in range(_ATTEMPTS):
        try:
            with on_this_machine_alone() if own else nullcontext():
                init(address=cluster, **_QUIET, **own)
            break
        except Exception as error:  # Ray has an error of its own for every way in which this fails
            ray.shutdown()
            if cluster.startswith(CLIENT) and attempt < _ATTEMPTS - 1:
                continue
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            said = lines[0] if lines else type(error).__name__
            raise ExperimentError(f"cannot join the Ray cluster {cluster!r}: {said}") from error
    is_client = cluster.startswith(CLIENT)
    try:
        require_token(cluster.removeprefix(CLIENT) if is_client else _head_address(), client=is_client)
    except ExperimentError:
        ray.shutdown()
        raise


def _head_address() -> str:
    """Of the cluster that this process has joined, "HOST:PORT"."""
    import ray

    context: Any = ray.get_runtime_context()
    return str(context.gcs_address)

"""Who may run code through Ray: everybody who reaches its ports, unless it asks for a token. docs/cluster.md has the whole table.

Ray and gRPC are imported in functions only.
"""

import contextlib
import ipaddress
import os
import secrets
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from bench.errors import ExperimentError

ANSWER_S = 10.0
"""How long a cluster may take to answer whoever has no token."""

_MODE, _TOKEN, _TOKEN_FILE = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"


_PING_HEAD = "/ray.rpc.NodeInfoGcsService/CheckAlive", b""
_PING_CLIENT = "/ray.rpc.RayletDriver/ClusterInfo", b"\x08\x06"  # ClusterInfoRequest(type=PING)
"""What costs nothing to answer, and how it is asked."""


@contextlib.contextmanager
def on_this_machine_alone() -> Iterator[None]:
    """Within it Ray begins a cluster that listens on loopback only, and asks for a token, which only this process and its children know.

    Ray resolves a node's address 127.0.0.1 to one that others reach, and then listens on every interface; where it supports no clusters of
    several machines (`ENABLE_RAY_CLUSTER`: macOS, Windows) it does not. Its default mode for a new cluster asks for a token; without one of
    the user's it would write one to a file that everybody may read."""
    from ray._private import ray_constants

    given = (os.environ.get(_TOKEN), os.environ.get(_TOKEN_FILE), (Path.home() / ".ray" / "auth_token").is_file())
    if not any(given):
        os.environ[_TOKEN] = secrets.token_hex(32)
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def require_token(address: str, *, client: bool) -> None:
    """Raises ExperimentError, one line, where others can reach the cluster at `address` ("HOST:PORT", of Ray's `client`
    server or of the head) and it answers whoever has no token, or is too slow to say, unless RAY_AUTH_MODE=disabled
    says that this is meant."""
    if os.environ.get(_MODE, "").lower() == "disabled" or is_loopback(address):
        return
    answer = answer_to_anybody(address, client=client)
    if answer is Answer.NOTHING:
        raise ExperimentError(
            f"the Ray cluster at {address} did not say within {ANSWER_S:.0f} s whether it asks for a token, without which whoever "
            f"reaches it can run code as you; try again when it is less busy, or set {_MODE}=disabled here if its network "
            "keeps others out"
        )
    if answer is Answer.ANSWERED:
        raise ExperimentError(
            f"the Ray cluster at {address} asks for no token: whoever reaches it can run code as you; start it with {_MODE}=token "
            f"(docs/cluster.md), or set {_MODE}=disabled here if its network keeps others out"
        )


def is_loopback(address: str) -> bool:
    """Whether only processes of this machine reach "HOST:PORT"."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Answer(Enum):
    """What a caller without a token gets."""

    ANSWERED = "answered"
    REFUSED = "refused"
    NOTHING = "nothing"
    """Within `ANSWER_S`: nobody knows."""


def answer_to_anybody(address: str, *, client: bool) -> Answer:
    """What a caller without a token is told. TLS refuses such a caller as well."""
    import grpc

    refusals = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE)
    method, request = _PING_CLIENT if client else _PING_HEAD
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(method)(request, timeout=ANSWER_S)  # without serialisers: bytes there and back
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                return Answer.NOTHING
            return Answer.REFUSED if error.code() in refusals else Answer.ANSWERED
    return Answer.ANSWERED

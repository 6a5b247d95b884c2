"""Nothing of Ray listens beyond loopback unless asked, and no cluster is joined that lets everybody in."""

import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("ray")

import grpc
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from bench.engine.ray import security
from bench.engine.ray.security import answers_anybody, is_loopback, require_token
from bench.errors import ExperimentError

LISTENERS = """
import json, psutil, ray
from bench.engine.ray.cluster import connect
from bench.engine.ray.security import answers_anybody
connect("local")
ray.get(ray.remote(lambda: 1).remote())
address = ray.get_runtime_context().gcs_address
own = psutil.Process()
found = [
    [" ".join(process.cmdline())[:80], connection.laddr.ip]
    for process in (own, *own.children(recursive=True))
    for connection in process.net_connections("inet")
    if connection.status == psutil.CONN_LISTEN
]
print(json.dumps({"listen": found, "address": address, "open": answers_anybody(address, client=False)}))
ray.shutdown()
"""


@pytest.mark.slow
def test_a_local_cluster_listens_on_loopback_alone_and_asks_for_a_token_that_is_in_no_file(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    done = subprocess.run(
        [sys.executable, "-c", LISTENERS],
        env=clean | {"HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout.splitlines()[-1])
    assert len(said["listen"]) >= 4, "the head, the raylet, a worker and the driver at least"
    beyond = [each for each in said["listen"] if not ipaddress.ip_address(each[1].removeprefix("::ffff:")).is_loopback]
    assert not beyond
    assert is_loopback(said["address"])
    assert not said["open"]
    assert not list(tmp_path.glob(".ray/*"))


@pytest.mark.parametrize(
    ("address", "is_here"),
    [("127.0.0.1:6379", True), ("[::1]:6379", True), ("localhost:1", True), ("10.0.0.1:6379", False), ("head:6379", False)],
)  # fmt: skip
def test_loopback_is_known_by_its_address(address: str, is_here: bool) -> None:
    assert is_loopback(address) == is_here


class Head(gcs_service_pb2_grpc.NodeInfoGcsServiceServicer):
    """Answers everybody, or whoever sends something that looks like a token."""

    def __init__(self, asks: bool) -> None:
        self._asks = asks

    def CheckAlive(self, request, context):  # noqa: N802  gRPC's name
        if self._asks and "authorization" not in dict(context.invocation_metadata()):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
        return gcs_service_pb2.CheckAliveReply()


@pytest.fixture(params=[True, False], ids=["asks", "open"])
def head(request: pytest.FixtureRequest) -> Iterator[tuple[bool, str]]:
    """Whether it asks for a token, and its address."""
    server = grpc.server(ThreadPoolExecutor(1))
    gcs_service_pb2_grpc.add_NodeInfoGcsServiceServicer_to_server(Head(request.param), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield request.param, f"127.0.0.1:{port}"
    server.stop(None)


def test_a_cluster_that_others_reach_must_ask_for_a_token(
    head: tuple[bool, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asks, address = head
    assert answers_anybody(address, client=False) == (not asks)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    require_token(address, client=False)  # only this machine reaches it
    monkeypatch.setattr(security, "is_loopback", lambda _: False)
    if asks:
        require_token(address, client=False)
        return
    with pytest.raises(ExperimentError, match=f"the Ray cluster at {address} asks for no token: .*RAY_AUTH_MODE=token"):
        require_token(address, client=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    require_token(address, client=False)


def test_a_cluster_that_does_not_answer_lets_nobody_in() -> None:
    assert not answers_anybody("127.0.0.1:1", client=True)

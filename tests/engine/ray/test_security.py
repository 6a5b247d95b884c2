"""Nothing of Ray listens beyond loopback unless asked, and no cluster is joined that lets everybody in."""

import ipaddress
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("ray")

import grpc
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from bench.engine.ray import security
from bench.engine.ray.security import Answer, answer_to_anybody, is_loopback, require_token
from bench.errors import ExperimentError

LISTENERS = """
import json, psutil, ray
from bench.engine.ray.cluster import connect
from bench.engine.ray.security import answer_to_anybody
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
print(json.dumps({"listen": found, "address": address, "answer": answer_to_anybody(address, client=False).value}))
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
    assert said["answer"] == "refused"
    assert not list(tmp_path.glob(".ray/*"))


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("127.0.0.1:6379", True),
        ("[::1]:6379", True),
        ("localhost:1", True),
        ("10.0.0.1:6379", False),
        ("head:6379", False),
    ],
)
def test_loopback_is_known_by_its_address(address: str, is_here: bool) -> None:
    assert is_loopback(address) == is_here


class Head(gcs_service_pb2_grpc.NodeInfoGcsServiceServicer):
    """Answers everybody, or whoever sends something that looks like a token, or nobody until it is `let_go`."""

    def __init__(self, kind: Answer) -> None:
        self._kind = kind
        self.let_go = threading.Event()

    def CheckAlive(self, request, context):  # noqa: N802  gRPC's name
        if self._kind is Answer.NOTHING:
            self.let_go.wait()
        if self._kind is Answer.REFUSED and "authorization" not in dict(context.invocation_metadata()):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")
        return gcs_service_pb2.CheckAliveReply()


@pytest.fixture(params=Answer, ids=lambda kind: kind.value)
def head(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Answer, str]]:
    """What it says to whoever has no token, and its address, which counts as one that others reach."""
    head, server = Head(request.param), grpc.server(ThreadPoolExecutor(1))
    gcs_service_pb2_grpc.add_NodeInfoGcsServiceServicer_to_server(head, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setattr(security, "ANSWER_S", 2.0 if request.param is Answer.NOTHING else 60.0)
    monkeypatch.setattr(security, "is_loopback", lambda _: False)
    yield request.param, f"127.0.0.1:{port}"
    head.let_go.set()
    server.stop(None)


def test_a_cluster_that_others_reach_must_ask_for_a_token(
    head: tuple[Answer, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, address = head
    assert answer_to_anybody(address, client=False) is kind
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    if kind is Answer.REFUSED:
        require_token(address, client=False)
        return
    said = {
        Answer.ANSWERED: f"the Ray cluster at {address} asks for no token: .*RAY_AUTH_MODE=token",
        Answer.NOTHING: f"the Ray cluster at {address} did not say within 2 s whether it asks for a token.*try again",
    }
    with pytest.raises(ExperimentError, match=said[kind]):
        require_token(address, client=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    require_token(address, client=False)


def test_what_only_this_machine_reaches_needs_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "answer_to_anybody", lambda *_, **__: Answer.ANSWERED)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    require_token("127.0.0.1:6379", client=False)


def test_a_cluster_that_is_not_there_lets_nobody_in() -> None:
    assert answer_to_anybody("127.0.0.1:1", client=True) is Answer.REFUSED

"""How a driver gets to a Ray cluster, and who sits where. No cluster is started."""

import socket
import subprocess
import sys
import time

import pytest

from bench.engine.ray import cluster as ray_cluster
from bench.engine.ray.cluster import Node, Reservation, nodes_of, require_reachable, reservation
from bench.errors import ExperimentError
from bench.experiments import load_experiment, override


def node(name: str = "a", *, cores: int = 8, gpus: int = 0) -> Node:
    return Node(node_id=name, host=name, cores=cores, gpus=gpus)


@pytest.mark.parametrize(
    ("nodes", "workers", "rooms"),
    [
        ([node(), node(cores=2)], None, [1, 1]),  # one a machine, with all its cores
        ([node(), node()], 4, [2, 2]),
        ([node(), node(cores=2)], 2, [2, 0]),
        ([node(), node(cores=2)], 5, [4, 1]),
        ([node(cores=1)], 3, [1]),  # the others wait for a machine
        ([node(gpus=4), node()], None, [4, 0]),
        ([node(gpus=2), node(gpus=2)], 8, [4, 4]),  # two share a GPU
        ([node(gpus=4)], 2, [4]),  # never more than asked for, see the executor
    ],
)
def test_workers_get_a_gpu_each_or_share_the_cores(nodes, workers, rooms):
    chosen = reservation(nodes, workers)
    assert [chosen.room(each) for each in nodes] == rooms


def test_a_third_of_a_gpu_seats_three():
    assert Reservation(gpu_share=1 / 3).room(node(gpus=2)) == 6


def test_a_machine_that_is_down_or_computes_nothing_is_no_place():
    def entry(name: str, *, alive: bool = True, **resources: float) -> dict:
        return {"NodeID": name, "NodeManagerAddress": name, "Alive": alive, "Resources": resources}

    listed = [entry("up", CPU=4.0, GPU=1.0, memory=2e9), entry("down", alive=False, CPU=4.0), entry("head", memory=1e9)]
    assert nodes_of(listed) == [Node(node_id="up", host="up", cores=4, gpus=1, memory_bytes=2_000_000_000)]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_listens_is_one_line_at_once(scheme):
    with socket.socket() as bound:  # bound, but not listening
        bound.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{bound.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(ExperimentError) as caught:
            require_reachable(address)
    assert str(caught.value) == f"no Ray cluster answers at {address}: Connection refused"
    assert time.monotonic() - began < 10


def test_without_ray_a_cluster_is_one_line_that_names_the_extra(monkeypatch):
    monkeypatch.setattr(ray_cluster, "find_spec", lambda name: None)
    with pytest.raises(ExperimentError) as caught:
        require_reachable("local")
    assert str(caught.value) == "Ray is not installed, and cluster 'local' needs it: pip install 'segbench[ray]'"


def test_a_run_without_a_cluster_never_imports_ray():
    code = "import sys, bench.run, bench.engine.ray.cluster\nassert 'ray' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("cluster", ["local", "auto", "head:6379", "ray://10.0.0.1:10001", "ray://[::1]:10001"])
def test_a_cluster_may_be_named_on_the_command_line(cluster):
    chosen = override(load_experiment("default"), cluster=cluster)
    assert chosen.cluster == cluster
    assert override(chosen, cluster="none").cluster is None
    assert override(chosen).cluster == cluster


@pytest.mark.parametrize("cluster", ["head", "http://head:8265", "ray://head", "a b:1", ""])
def test_what_is_no_address_is_refused_with_the_choices(cluster):
    with pytest.raises(ExperimentError, match="choose from local, auto, HOST:PORT, ray://HOST:PORT, none"):
        override(load_experiment("default"), cluster=cluster)

"""Which graphs stay. What is built is a stand-in: nothing compiles."""

import pytest

from bench.engine.training import graph_cache
from bench.engine.training.graph_cache import GraphCache
from bench.engine.training.trainer import Trainer


class Process:
    """Of which every graph takes 10 bytes."""

    def __init__(self) -> None:
        self.cache: GraphCache | None = None

    def __call__(self) -> "Process":
        return self

    def memory_info(self) -> "Process":
        return self

    @property
    def rss(self) -> int:
        return 10 * sum(key in self.cache for key in "abcdef")


@pytest.fixture
def cache(monkeypatch):
    process = Process()
    monkeypatch.setattr(graph_cache.psutil, "Process", process)
    process.cache = GraphCache(build=lambda key: f"graph {key}", limit_bytes=25)
    return process.cache


def test_a_graph_is_built_once(cache):
    assert cache.get("a") == ("graph a", False)
    assert cache.get("a") == ("graph a", True)


def test_the_least_recently_used_graph_makes_room(cache):
    for key in "abcad":  # a fourth would be one too many, and a was used after b
        cache.get(key)
    assert [key for key in "abcd" if key in cache] == ["a", "c", "d"]


def test_a_graph_that_failed_is_built_anew(cache):
    cache.get("a")
    cache.drop("a")
    assert cache.get("a") == ("graph a", False)


def test_what_others_left_behind_can_be_forgotten(cache):
    cache.get("a")
    cache.get("b")
    assert cache.clear()
    assert not cache.clear()
    assert "b" not in cache


@pytest.mark.parametrize(("others", "tries"), [("", 1), ("b", 2)])
def test_a_trial_that_runs_out_of_memory_is_tried_again_without_the_graphs_of_others(monkeypatch, cache, others, tries):
    trainer, tried = object.__new__(Trainer), []

    def train(spec, graph, reused):
        tried.append(graph)
        raise MemoryError("no room")

    for key in others:
        cache.get(key)
    trainer._graphs = cache
    monkeypatch.setattr(trainer, "_key", lambda spec: "a")
    monkeypatch.setattr(trainer, "_train", train)
    assert trainer.run(None) == "out of memory: no room"
    assert tried == ["graph a"] * tries
    assert not any(key in cache for key in "ab")

"""Compiled graphs, kept for the next trial that can use them; the least recently used go first when memory is short."""

import gc
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import keras
import psutil

from bench.engine.training.graph import GraphKey, TrainingGraph
from bench.records.environment import memory_limit

MEMORY_SHARE = 0.4
"""Share of the machine's memory that the worker may hold before graphs are dropped."""


class GraphCache:
    """Graphs by key. `limit_bytes` bounds the memory of the whole process; the graph in use always stays."""

    def __init__(
        self, build: Callable[[GraphKey], TrainingGraph] = TrainingGraph, limit_bytes: int | None = None
    ) -> None:
        self._build = build
        self._graphs: OrderedDict[GraphKey, TrainingGraph] = OrderedDict()
        self._limit_bytes = limit_bytes or int(MEMORY_SHARE * memory_limit())

    def get(self, key: GraphKey) -> tuple[TrainingGraph, bool]:
        """The graph and whether it was there already."""
        reused = key in self._graphs
        if not reused:
            self._make_room()
            self._graphs[key] = self._build(key)
        self._graphs.move_to_end(key)
        return self._graphs[key], reused

    def drop(self, key: GraphKey) -> None:
        """Forgets a graph that failed in the middle of something."""
        self._graphs.pop(key, None)
        gc.collect()

    def clear(self) -> bool:
        """Forgets all graphs, and says whether there were any."""
        had_some = bool(self._graphs)
        self._graphs.clear()
        keras.backend.clear_session()
        gc.collect()
        return had_some

    def __contains__(self, key: Any) -> bool:
        return key in self._graphs

    def _make_room(self) -> None:
        while self._graphs and psutil.Process().memory_info().rss > self._limit_bytes:
            self._graphs.popitem(last=False)
            if not self._graphs:
                keras.backend.clear_session()
            gc.collect()

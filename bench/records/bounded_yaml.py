"""YAML from anywhere: nothing unfolds, nothing nests without end, and whatever a tag cannot read is an error of
YAML."""

from typing import Any

import yaml

from bench.records.limits import DEEPEST

MOST_NODES = 10_000
"""Values of a file, with those that its aliases repeat."""


class BoundedLoader(yaml.SafeLoader):
    """PyYAML's safe loader, which does not read on where nesting is too deep: its scanner takes the square of the
    depth."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._depth += 1
        if self._depth > DEEPEST:
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="it is nested too deeply", problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


def parse_yaml(text: str | bytes, kind: type[BoundedLoader] = BoundedLoader) -> tuple[yaml.Node | None, Any]:
    """The one document of a text: its nodes, which know their lines, and its value. Raises yaml.YAMLError, ValueError
    and RecursionError alone."""
    loader = kind(text)
    node = loader.get_single_node()
    if node is None:
        return None, None
    _refuse_what_unfolds(node)
    try:
        return node, loader.construct_document(node)
    except (
        LookupError,
        AttributeError,
        TypeError,
        OverflowError,
    ) as error:  # `!!bool maybe`, `!!timestamp x`, `!!int ""`
        raise yaml.MarkedYAMLError(
            problem="a value does not have the type that its tag names", problem_mark=node.start_mark
        ) from error


def _refuse_what_unfolds(node: yaml.Node) -> None:
    """Aliases let a file of a few lines mean millions of values, or hold itself; nesting lets it exhaust the stack.
    Counts without recursion."""
    waiting = [(node, 0)]
    seen = 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > MOST_NODES or depth > DEEPEST:
            what = f"it holds more than {MOST_NODES} values" if seen > MOST_NODES else "it is nested too deeply"
            raise yaml.MarkedYAMLError(problem=f"{what}, aliases written out", problem_mark=value.start_mark)
        if isinstance(value, yaml.MappingNode):
            waiting += [(each, depth + 1) for pair in value.value for each in pair]
        elif isinstance(value, yaml.SequenceNode):
            waiting += [(each, depth + 1) for each in value.value]

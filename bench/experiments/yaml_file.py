"""YAML files that people write, validated so that a mistake is one line: file, line, key, what is allowed."""

import re
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from bench.errors import ExperimentError, closest
from bench.records.limits import DEEPEST, excess

LARGEST_FILE = 2**17
"""Bytes of an experiment or a search space."""

MOST_NODES = 10_000
"""Values of a file, with those that its aliases repeat."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlFile:
    """A parsed file with the places that its values came from."""

    path: Path
    content: Mapping[str, Any]
    node: yaml.MappingNode

    def place(self, loc: Sequence[int | str]) -> str:
        """`file.yaml:7` for the key at `loc`, the file alone where it has no such key."""
        line = _line_of(self.node, loc)
        return f"{self.path}:{line}" if line else str(self.path)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, for which `1e-3` is a number (in YAML 1.1 it is text, for want of a dot), and which does not read on where
    nesting is too deep: its scanner takes the square of the depth."""

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


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+"), list("-+0123456789")
)


def read_yaml(path: Path) -> YamlFile:
    """Reads a mapping. Raises ExperimentError for a file that is missing, malformed, or names a key twice."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ExperimentError(
                f"{path} has {path.stat().st_size} bytes; an experiment has {LARGEST_FILE} at the most"
            )
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ExperimentError(f"cannot read {path}: {reason}") from error
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        _refuse_what_unfolds(path, node)
        content = loader.construct_document(node) if node else None
    except RecursionError as error:
        raise ExperimentError(f"{path}: malformed YAML: it is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise ExperimentError(f"{place}: malformed YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ExperimentError(f"{path}: malformed YAML: {_one_line(str(error))}") from error
    if not isinstance(content, dict) or not isinstance(node, yaml.MappingNode):
        raise ExperimentError(f"{path} holds no keys; a mapping is needed, such as `name: value` on each line")
    _refuse_repeated_keys(path, node)
    file = YamlFile(path=path, content=content, node=node)
    wrong = excess(content)
    if wrong:
        key = ".".join(str(part)[:60] for part in wrong[0])
        raise ExperimentError(f"{file.place(wrong[0])}: {f'{key} ' if key else ''}{wrong[1]}")
    return file


def validate(
    model: type[Model], content: Mapping[str, Any], *, file: YamlFile | None = None, place: str | None = None
) -> Model:
    """`content` as a `model`, or an ExperimentError about its first mistake.

    The place is the line in `file` that the value stands in, else `place`.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        mistakes = error.errors(include_url=False)
        worst = max(
            mistakes, key=lambda mistake: (len(_known_parts(content, mistake["loc"])), mistake["type"] == "value_error")
        )
        key = ".".join(map(str, _known_parts(content, worst["loc"])))
        where = file.place(worst["loc"]) if file else place
        said = ": ".join(part for part in (where, _what_is_wrong(model, worst, key)) if part)
        raise ExperimentError(said) from error


def _what_is_wrong(model: type[BaseModel], mistake: Mapping[str, Any], key: str) -> str:
    loc, kind, value = mistake["loc"], mistake["type"], mistake["input"]
    if kind == "extra_forbidden":
        choices = sorted(_model_at(model, loc[:-1]).model_fields)
        section = f" in {key.rpartition('.')[0]}" if "." in key else ""
        return (
            f"unknown key {str(loc[-1])!r}{section}{closest(str(loc[-1]), choices)}; choose from {', '.join(choices)}"
        )
    if kind == "missing":
        return f"{f'{key}: ' if key else ''}{loc[-1]} is missing"
    subject = f"{key}: " if key else ""
    if kind == "value_error":
        return f"{subject}{mistake['ctx']['error']}"
    wanted = _WANTED.get(kind)
    if wanted is None:
        return f"{subject}{_one_line(mistake['msg'])}, not {_shown(value)}"
    return f"{subject}must be {wanted.format(**mistake.get('ctx', {}))}, not {_shown(value)}"


_WANTED = {
    "bool_type": "true or false",
    "dict_type": "a mapping, such as {{key: value}}",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "literal_error": "one of {expected}",
    "mapping_type": "a mapping, such as {{key: value}}",
    "model_type": "a section with keys of its own",
    "string_type": "text",
    "too_short": "a list of at least {min_length}",
    "tuple_type": "a list, such as [a, b]",
}
"""Pydantic's kinds of mistakes in words for a person; the braces are filled with the limit that was missed."""


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "empty", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _model_at(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel]:
    """The model that validates the section `loc`; parts that are Pydantic's own (a union's member) are passed over."""
    for part in loc:
        field = model.model_fields.get(str(part))
        inner = _models_in(field.annotation) if field else ()
        model = inner[0] if inner else model
    return model


def _models_in(annotation: Any) -> tuple[type[BaseModel], ...]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return (annotation,)
    return tuple(found for argument in typing.get_args(annotation) for found in _models_in(argument))


def _known_parts(content: Any, loc: Sequence[int | str]) -> tuple[int | str, ...]:
    """The part of an error's place that exists in the content: no union members, no keys that are missing."""
    known: list[int | str] = []
    for part in loc:
        inside: Any = dict(enumerate(content)) if isinstance(content, list | tuple) else content
        if isinstance(inside, dict) and part in inside:
            content = inside[part]
            known.append(part)
    return tuple(known)


def _line_of(node: yaml.Node, loc: Sequence[int | str]) -> int | None:
    """The line, counted from 1, of the deepest part of `loc` that the file has; None where it has none of them."""
    line: int | None = None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if found:
                line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _refuse_what_unfolds(path: Path, node: yaml.Node | None) -> None:
    """Aliases let a file of a few lines mean millions of values, or hold itself; nesting lets it exhaust the stack. Counts without recursion."""
    waiting = [(node, 0)] if node else []
    seen = 0
    while waiting:
        value, depth = waiting.pop()
        seen += 1
        if seen > MOST_NODES or depth > DEEPEST:
            what = f"holds more than {MOST_NODES} values" if seen > MOST_NODES else "is nested too deeply"
            raise ExperimentError(f"{path}:{value.start_mark.line + 1}: malformed YAML: it {what}, aliases written out")
        if isinstance(value, yaml.MappingNode):
            waiting += [(each, depth + 1) for pair in value.value for each in pair]
        elif isinstance(value, yaml.SequenceNode):
            waiting += [(each, depth + 1) for each in value.value]


def _refuse_repeated_keys(path: Path, node: yaml.Node) -> None:
    """YAML lets the second of two equal keys win without a word; here it is a mistake."""
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen:
                raise ExperimentError(f"{path}:{key.start_mark.line + 1}: {name[:60]} is set twice")
            seen.add(name)
            _refuse_repeated_keys(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            _refuse_repeated_keys(path, value)

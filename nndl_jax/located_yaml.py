"""YAML texts whose every value knows its line.

YAML 1.2 as DVC reads it (`1e-3` is a number, `off` a word), without anchors, tags or repeated keys,
and bounded in size and depth, so that no text can do more harm than be refused.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, NodeEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode
from ruamel.yaml.reader import ReaderError

MAX_BYTES = 200_000
MAX_DEPTH = 32

Location = tuple[str | int, ...]
"""Keys and indices that lead from the top of a text to a value."""


class Fault(NamedTuple):
    """One thing that is wrong with a document."""

    where: str
    """The file, or a document's name where there is none."""
    line: int | None
    """Counted from 1; None where there is no file."""
    field: str
    """Path of the field, such as `model.layers[2].filters`; empty for the whole text."""
    said: str
    """What is wrong, what was found and what to do."""

    def __str__(self) -> str:
        place = self.where if self.line is None else f"{self.where}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.said) if part)


class SpecError(ValueError):
    """What is wrong with documents, a sentence for each fault.

    Attributes:
        faults: the same in parts.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)

    @classmethod
    def at(cls, where: object, line: int | None, field: str, said: str) -> "SpecError":
        """An error of one fault."""
        return cls([Fault(str(where), line, field, said)])


class LocatedYaml(NamedTuple):
    """A YAML text as plain values, with the tree that knows their lines."""

    where: str
    """The file, as it is named in messages."""
    value: object
    root: Node | None
    """None for values that stand in no file."""

    def follow(self, location: Location) -> tuple[Location, int | None]:
        """The part of a location that the text has, and the line (from 1) where that stands.

        Steps that are not in the text, such as the tags that a validator adds to tell the members
        of a union apart, are passed over.
        """
        found: list[str | int] = []
        value, node, line = self.value, self.root, None if self.root is None else 1
        for step in location:
            if not _has(value, step):
                continue
            value = value[step]  # pyright: ignore[reportIndexIssue]
            found.append(step)
            if (child := _child(node, step)) is not None:
                key, node = child
                line = key.start_mark.line + 1
        return tuple(found), line

    def lookup(self, location: Location) -> object:
        """The value at a location that the text has."""
        value = self.value
        for step in location:
            value = value[step]  # pyright: ignore[reportIndexIssue]
        return value


def read_yaml(path: Path) -> LocatedYaml:
    """The values of a YAML file.

    Raises:
        SpecError: the file cannot be read or is not the plain YAML described above.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SpecError.at(path, None, "", f"cannot be read: {error.strerror}") from None
    if len(raw) > MAX_BYTES:
        raise SpecError.at(
            path, 1, "", f"the file has {len(raw):,} bytes; at most {MAX_BYTES:,} are read"
        )
    try:
        return parse_yaml(raw.decode("utf-8"), path)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        said = "the file is not UTF-8 text; save it as UTF-8"
        raise SpecError.at(path, line, "", said) from None


def parse_yaml(text: str, path: Path) -> LocatedYaml:
    """The values of a YAML text; `path` is named in messages."""
    # A fresh reader each time: ruamel's objects keep state from one text to the next.
    try:
        for problem, line in _forbidden(text):
            raise SpecError.at(path, line, "", problem)
        root = YAML(typ="safe", pure=True).compose(text)
        value = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        problem = (error.problem or error.context or "unreadable").split("\n")[0]
        raise SpecError.at(path, line, "", f"not valid YAML: {problem}") from None
    except ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise SpecError.at(path, line, "", f"not valid YAML: {error.reason}") from None
    except (YAMLError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        problem = str(error).split("\n")[0]
        raise SpecError.at(path, 1, "", f"not valid YAML: {problem}") from None
    return LocatedYaml(str(path), value, root)


def _forbidden(text: str) -> Iterator[tuple[str, int]]:
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(text):
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            yield "anchors and aliases are not read here; write the value out", line
        if isinstance(event, NodeEvent) and getattr(event, "tag", None) is not None:
            tag = str(getattr(event, "tag", ""))
            yield f"tags are not read here, got {tag!r}; leave it out", line
        if isinstance(event, CollectionStartEvent):
            depth += 1
        elif isinstance(event, CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            yield f"nested more than {MAX_DEPTH} deep", line


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _child(node: Node | None, step: str | int) -> tuple[Node, Node] | None:
    """The key (or item) that a step leads to, and its value."""
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == str(step):
                return key, value
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        item = node.value[step]
        return item, item
    return None

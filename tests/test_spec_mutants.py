"""Changed copies of the shipped documents: each is a document, or is refused with a line."""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from nndl_jax.faults import Fault, SpecError
from nndl_jax.specs import list_specs, parse_spec

SPEC = Path(__file__).parents[1] / "spec"
IDS = list_specs(SPEC)
MUTANT = Path("spec/mutant.yaml")
TOKENS = [
    *("-1", "0", "1e400", ".nan", "null", "true", "0x", "_", "-_", "2015-99-99", "network", "''"),
    *('"', "'", "[]", "[", "{}", "}", "{1: 2}", "&a", "*a", "!a", "<<", ":", ": ", "- ", "? "),
    *("\t", "#", "%", "|", ">", "@", "`", "\\", "\n", "\0", "\ud800", "²", "ü", "{<<: {a: b}}"),
    *('"\\ud800"', '"\\UFFFFFFFF"', "0x" + "f" * 5000, "9" * 5000, "x" * 5000, "...", "---"),
]


def _text(name: str) -> str:
    return (SPEC / f"{name}.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["ch1-30-hidden", "ch1-binary-output", "ch1-svm"])
def test_unknown_key_is_refused_in_its_line_wherever_it_stands(name):
    text = _text(name)
    for mapping in _mappings(YAML(typ="safe", pure=True).compose(text)):
        mark = mapping.start_mark
        key = "{surprise: 1, " if mapping.flow_style else "surprise: 1\n" + " " * mark.column
        start = mark.index + bool(mapping.flow_style)
        with pytest.raises(SpecError, match="surprise") as caught:
            parse_spec(text[: mark.index] + key + text[start:], MUTANT)
        assert mark.line + 1 in [fault.line for fault in caught.value.faults]


def _mappings(node: Node) -> Iterator[MappingNode]:
    if isinstance(node, MappingNode):
        yield node
        for _, value in node.value:
            yield from _mappings(value)
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _mappings(item)


@pytest.mark.parametrize("name", IDS)
def test_mutant_of_a_shipped_document_is_a_document_or_refused_with_a_line(name):
    rng = random.Random(name)
    for _ in range(1 + 500 // len(IDS)):
        text = _mutate(_text(name), rng)
        faults = _faults(text)
        assert all(fault.line and fault.where == str(MUTANT) for fault in faults), text


def _faults(text: str) -> Sequence[Fault]:
    """What is wrong with a document; any error but SpecError escapes."""
    try:
        parse_spec(text, MUTANT)
    except SpecError as error:
        return error.faults
    return ()


def _mutate(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    first, second = sorted(rng.sample(range(len(lines)), 2))
    tokens = list(re.finditer(r"[\w.-]+|[^\w\s]", text))
    token, other = sorted(rng.sample(tokens, 2), key=re.Match.start)
    match rng.randrange(4):
        case 0:
            del lines[first]
            return "\n".join(lines)
        case 1:
            lines[first], lines[second] = lines[second], lines[first]
            return "\n".join(lines)
        case 2:
            return text[: token.start()] + rng.choice(TOKENS) + text[token.end() :]
        case _:
            between = text[token.end() : other.start()]
            return text[: token.start()] + other[0] + between + token[0] + text[other.end() :]

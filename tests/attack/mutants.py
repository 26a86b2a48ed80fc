"""Changed copies of documents and other texts in YAML."""

import copy
import random
import re
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from nndl_jax.documents.load import list_specs

SPEC = Path(__file__).parents[2] / "spec"
IDS = list_specs(SPEC)
TOKENS = [
    *("-1", "0", "1e400", ".nan", "null", "true", "0x", "_", "-_", "2015-99-99", "network", "''"),
    *('"', "'", "[]", "[", "{}", "}", "{1: 2}", "&a", "*a", "!a", "<<", ":", ": ", "- ", "? "),
    *("\t", "#", "%", "|", ">", "@", "`", "\\", "\n", "\0", "\ud800", "²", "ü", "{<<: {a: b}}"),
    *('"\\ud800"', '"\\UFFFFFFFF"', "0x" + "f" * 5000, "9" * 5000, "x" * 5000, "...", "---"),
]
VALUES: list[Any] = [
    *(-1, 0, 1, 2, 3, 10, 64, 1000, 10**6, 2**31, 2**53 + 1, 2**63, 10**30, 0.5, 1.5, -0.0),
    *(1e-300, 1e-45, 5e-324, 1e30, 1e38, 1e39, 1e300, 1.0, -1.0, float("inf"), float("nan")),
    *(True, False, None, "", " ", "a", "all", "base", "sigmoid", "softmax", "relu", "x" * 300),
    *("1", "1.0", "../x", "a/b", "a$b", "a|b", "\x1b[2J", "line\nbreak", "<!-- -->", "\u202e", "é"),
    *([], {}, [[]], [0], [1, 2], ["a"], {"a": 1}, {"kind": "dense"}, [None], [[1.0, 2.0]]),
]
"""What stands in place of another value; tokens break the text, and these what it means."""


def text_of(name: str) -> str:
    """The text of a document of the repository."""
    return (SPEC / f"{name}.yaml").read_text(encoding="utf-8")


def mutate_text(text: str, rng: random.Random) -> str:
    """A text without a line or with two swapped, or with a token replaced or two swapped."""
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


def mutate_values(content: Any, rng: random.Random, *, num_changes: int = 1) -> str:
    """The text of something in which some values are others, its own or those of documents."""
    content = copy.deepcopy(content)
    for _ in range(num_changes):
        parent, key = rng.choice(list(places(content)))
        match rng.randrange(5):
            case 0:
                del parent[key]
            case 1 if isinstance(parent, list):
                parent.append(copy.deepcopy(parent[key]))
            case 1 | 2:
                parent[key] = copy.deepcopy(rng.choice(VALUES))
            case 3 if is_number(parent[key]):
                parent[key] = scaled(parent[key], rng)
            case _:
                other, place = rng.choice(list(places(content_of(rng.choice(IDS)))))
                parent[key] = copy.deepcopy(other[place])
        if not content:
            break
    return dump(content)


def scaled(number: float, rng: random.Random) -> float:
    """Another number of the same type."""
    return type(number)(number * rng.choice([-1, 0.5, 2, 10, 1000, 1e-6]))


def is_number(value: object) -> bool:
    """Whether a value is a number, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def content_of(name: str) -> Any:
    """What stands in a document of the repository."""
    return YAML(typ="safe", pure=True).load(text_of(name))


def dump(content: object) -> str:
    """The text of something."""
    stream = StringIO()
    YAML(typ="safe", pure=True).dump(content, stream)
    return stream.getvalue()


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """Each mapping or list in something, with each key or index of it."""
    if not isinstance(content, dict | list):
        return
    for key in list(content) if isinstance(content, dict) else range(len(content)):
        yield content, key
        yield from places(content[key])


def damage(content: bytes, rng: random.Random) -> bytes:
    """Bytes of which some are others, missing, repeated or in other places."""
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    match rng.randrange(8):
        case 0:
            at = rng.randrange(len(content))
            return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[at + 1 :]
        case 1:
            return content[:start]
        case 2:
            return content[:start] + bytes(end - start) + content[end:]
        case 3:
            return content[:start] + content[end:]
        case 4:
            return content[:start] + rng.randbytes(rng.randrange(1, 64)) + content[start:]
        case 5:
            noise = rng.randbytes(min(end - start, 64))
            return content[:start] + noise + content[start + len(noise) :]
        case 6:
            return content + content[start:end]
        case _:
            return content[end:] + content[start:end] + content[:start]

"""Damage to files of arrays: to their bytes, and to their headers with lengths that fit."""

import copy
import json
import random
from pathlib import Path
from typing import Any

from attack.mutants import VALUES, damage, places


def damage_file(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file of which bytes, or something in its header, are others."""
    return damage(content, rng) if rng.random() < 0.6 else damage_header(content, rng)


def damage_header(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file with another header, in front of the same numbers."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    for _ in range(rng.choice([1, 1, 2])):
        parent, key = rng.choice(list(places(header)))
        match rng.randrange(5):
            case 0:
                del parent[key]
            case 1 if isinstance(parent[key], str) and len(parent[key]) > 1:
                text = parent[key]
                at = rng.randrange(len(text))
                parent[key] = text[:at] + rng.choice('0123456789{}[]",:x') + text[at + 1 :]
            case 1 | 2 if isinstance(parent[key], int):
                parent[key] += rng.choice([-1, 1, 8, 2**31, 2**62, -parent[key]])
            case 2 | 3:
                other, place = rng.choice(list(places(header)))
                parent[key], other[place] = copy.deepcopy(other[place]), copy.deepcopy(parent[key])
            case _:
                parent[key] = copy.deepcopy(rng.choice([*VALUES, "F16", "I32", "BOOL", "F4"]))
        if not header:
            break
    text = _as_json(header)
    padded = text + b" " * (-len(text) % 8)
    return len(padded).to_bytes(8, "little") + padded + content[start:]


def put(path: Path, content: bytes) -> None:
    """Write a file anew."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _as_json(header: Any) -> bytes:
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()

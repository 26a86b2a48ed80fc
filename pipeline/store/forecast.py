"""Which networks are to be trained, and how long they took here last time.

`programs` says so before the first is trained, and each says how many are left. Times are of this
machine, so that they stay in `.nndl/`; where none is known, none is told.
"""

import json
from collections.abc import Sequence

from nndl_jax.data.times import note_time, read_times
from pipeline.machine.paths import STATE
from pipeline.machine.writing import write_text

_WAITING = STATE / "waiting.json"
"""Networks that are to be trained, in order, of which some are done."""
_MOST_NAMES = 3


def announce(names: Sequence[str], num_selected: int) -> str:
    """A sentence on the networks that are to be trained, which are remembered.

    Args:
        names: of the documents, in the order in which they are trained.
        num_selected: of all networks that `params.yaml` asks for.
    """
    write_text(_WAITING, json.dumps(list(names)))
    if not names:
        return "No network is to be trained: all are as they were trained last"
    shown = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        shown += f" and {len(names) - _MOST_NAMES} more"
    return f"To be trained: {len(names)} of {num_selected} networks, {shown}{_took(names)}"


def place(name: str) -> str:
    """Where a network stands among those that are to be trained; empty if it is none of them."""
    names = _waiting()
    if name not in names:
        return ""
    number = names.index(name)
    return f"{name}: network {number + 1} of {len(names)}{_took(names[number:])}"


def note(name: str, seconds: float) -> None:
    """Remember how long a network took, in seconds."""
    note_time(STATE, name, seconds)


def in_minutes(seconds: float) -> str:
    """A time in words.

    >>> in_minutes(12.4), in_minutes(312)
    ('12 s', '5 min 12 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _took(names: Sequence[str]) -> str:
    """What is known of the time that networks take, as the end of a sentence."""
    known = read_times(STATE)
    found = [known[name] for name in names if name in known]
    if not found:
        return ""
    those = "these" if len(found) == len(names) else f"{len(found)} of these"
    return f"; {those} took {in_minutes(sum(found))} here last time"


def _waiting() -> list[str]:
    """Those that were announced; none if there is no such file, or something else in it."""
    try:
        names = json.loads(_WAITING.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return names if isinstance(names, list) else []

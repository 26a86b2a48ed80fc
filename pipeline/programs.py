"""Stage `programs`: a file for each network, which changes when its training would.

Each stage `train@<id>` depends on its own file, and not on our source: an edit that leaves what is
computed as it is, such as a comment or a better name, trains nothing again.
"""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from nndl_jax.documents import Network
from pipeline.machine.cores import map_on_cores
from pipeline.machine.jax_setup import set_up_jax
from pipeline.machine.paths import BOOKS_PROGRAMS, FINGERPRINTS, PROGRAMS, RECORDED, RUNS
from pipeline.machine.writing import replacing, write_text
from pipeline.plan.plans import Plan, load_books_plans, load_plans
from pipeline.plan.training_key import TrainingKey, known_key, training_key
from pipeline.store.forecast import announce
from pipeline.store.recordings import read_heads


def main() -> None:
    """Write `programs/<id>.json` for every network, and one file for those that were recorded."""
    resolved = load_plans()
    networks = [(name, plan) for name, plan in resolved.items() if isinstance(plan.spec, Network)]
    own = {name for name, _ in networks}
    recorded = _recorded()
    networks += [(_at_the_books(name), plan) for name, plan in recorded.items()]
    keys = {name: known_key(name, plan) for name, plan in networks}
    unknown = [(name, plan) for name, plan in networks if keys[name] is None]
    if unknown:
        found = map_on_cores(_work_out, unknown, desc="programs", unit="document")
        keys.update(zip((name for name, _ in unknown), found, strict=True))
    of_today = {name: key for name, key in keys.items() if name in own and key is not None}
    _tell(of_today)
    with replacing(PROGRAMS) as fresh:
        for name, key in keys.items():
            if key is not None and name in own:
                _write(fresh / f"{name}.json", key.model_dump(mode="json"))
        books = {name: keys[_at_the_books(name)] for name in recorded}
        short = {name: key.programs_short() for name, key in books.items() if key is not None}
        _write(fresh / BOOKS_PROGRAMS.name, short)
    _keep(of_today)


def _recorded() -> Mapping[str, Plan]:
    """Networks at the book's settings whose recordings say which programs trained them."""
    folders = sorted(RECORDED.glob("[!.]*/"))
    names = [folder.name for folder in folders if any(head.program for head in read_heads(folder))]
    plans = load_books_plans() if names else {}
    return {name: plans[name] for name in names if name in plans}


def _at_the_books(name: str) -> str:
    """The name under which the key of a recorded document is known."""
    return f"{name}@book"


def _tell(keys: Mapping[str, TrainingKey]) -> None:
    """Say which networks are to be trained."""
    waiting = [name for name, key in keys.items() if key.selected and not _is_trained(name, key)]
    print(announce(waiting, sum(key.selected for key in keys.values())), file=sys.stderr)


def _keep(keys: Mapping[str, TrainingKey]) -> None:
    """Write the fingerprints of networks to be committed; of those left out they stay."""
    try:
        earlier = json.loads(FINGERPRINTS.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        earlier = {}
    today = {name: key.fingerprint() for name, key in keys.items() if key.selected}
    write_text(FINGERPRINTS, _text(dict(sorted({**earlier, **today}.items()))))


def _is_trained(name: str, key: TrainingKey) -> bool:
    """Whether a network is there that was trained by this key, as far as this stage knows."""
    path = PROGRAMS / f"{name}.json"
    is_same = path.exists() and path.read_text(encoding="utf-8") == _text(
        key.model_dump(mode="json")
    )
    return is_same and (RUNS / name).exists()


def _write(path: Path, content: object) -> None:
    path.write_text(_text(content), encoding="utf-8")


def _text(content: object) -> str:
    return json.dumps(content, indent=1) + "\n"


def _work_out(document: tuple[str, Plan]) -> TrainingKey:
    set_up_jax(1)
    return training_key(*document)


if __name__ == "__main__":
    run_stage(main, __doc__)

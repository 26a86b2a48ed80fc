"""Stage `programs`: a file for each network, which changes when its training would.

Each stage `train@<id>` depends on its own file, and not on our source: an edit that leaves what is
computed as it is, such as a comment or a better name, trains nothing again.
"""

from pipeline.process import begin, run_stage

if __name__ == "__main__":
    begin()

import json

from nndl_jax.schema import Network
from pipeline.cores import map_on_cores
from pipeline.jax_setup import set_up_jax
from pipeline.paths import PROGRAMS, RESOLVED
from pipeline.resolved import Resolved, load_resolved
from pipeline.training_key import TrainingKey, known_key, training_key
from pipeline.writing import replacing


def main() -> None:
    """Write `programs/<id>.json` for every network."""
    resolved = {path.stem: load_resolved(path.stem) for path in sorted(RESOLVED.glob("*.json"))}
    networks = [(name, each) for name, each in resolved.items() if isinstance(each.spec, Network)]
    keys = {name: known_key(name, each) for name, each in networks}
    unknown = [(name, each) for name, each in networks if keys[name] is None]
    if unknown:
        found = map_on_cores(_work_out, unknown, desc="programs", unit="document")
        keys.update(zip((name for name, _ in unknown), found, strict=True))
    with replacing(PROGRAMS) as fresh:
        for name, key in keys.items():
            if key is not None:
                content = json.dumps(key.model_dump(mode="json"), indent=1) + "\n"
                (fresh / f"{name}.json").write_text(content, encoding="utf-8")


def _work_out(document: tuple[str, Resolved]) -> TrainingKey:
    set_up_jax(1)
    return training_key(*document)


if __name__ == "__main__":
    run_stage(main, __doc__)

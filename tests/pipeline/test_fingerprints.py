"""What decides the numbers of networks is what it was when the committed ones were trained."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.machine.paths import FINGERPRINTS
from pipeline.plan.resolving import resolve_all
from pipeline.plan.training_key import training_key

ROOT = Path(__file__).parents[2]
COMMITTED = {"profile": "quick", "documents": "all", "runs": None, "seed": 12345678}
"""Settings of which the committed results are."""


@pytest.fixture(scope="module")
def committed() -> dict[str, dict[str, str]]:
    command = ["git", "show", f"HEAD:{FINGERPRINTS}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{FINGERPRINTS} is not at hand: {done.stderr.strip()}")
    return json.loads(done.stdout)


# A dense network, dropout by streams of its own, and a convolution over expanded images.
@pytest.mark.parametrize("name", ["ch1-30-hidden", "ch3-dropout", "ch6-expanded"])
def test_a_network_would_be_trained_as_it_was(name, committed, monkeypatch) -> None:
    """Where this fails, train everything again by `make`, and commit what comes out."""
    monkeypatch.chdir(ROOT)
    _, plans = resolve_all(changes={**COMMITTED, "overrides": {}})
    found = training_key(name, plans[name]).fingerprint()
    other = {part for part, shown in found.items() if shown != committed[name].get(part)}
    assert not other, f"{name}: another {', another '.join(sorted(other))} than committed"

"""The page's scripts in Node: what they calculate, without a browser."""

import json
import shutil
import subprocess
from collections.abc import Sequence

import pytest

from pipeline.pages.interactives import SCRIPTS

NEEDS_NODE = pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node: apt-get install nodejs"
)


def in_node(body: str, data: object = None, *, scripts: Sequence[str] = ("mathematics", "network")):
    """What a function of `data` returns, in JSON and back.

    Args:
        body: of the function, which sees `NNDL` and `data`.
        data: what it is given, in JSON.
        scripts: that are read before.
    """
    sources = [(SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in scripts]
    call = f"const result = (function (data) {{ {body} }})({json.dumps(data)});"
    lines = [*sources, call, "process.stdout.write(JSON.stringify(result));"]
    done = subprocess.run(
        ["node", "-"], input="\n".join(lines), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)

"""The page's scripts as files: their types, their size, and what they leave behind."""

import shutil
import subprocess

import pytest
from in_node import NEEDS_NODE, in_node

from pipeline.pages.interactives import SCRIPTS

TSC = shutil.which("tsc")
MAX_BYTES = 150_000


@pytest.mark.skipif(TSC is None, reason="needs TypeScript: npm install --global typescript@5.9")
def test_types_of_all_scripts_are_right():
    done = subprocess.run([TSC, "-p", SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_all_scripts_together_are_small():
    sizes = {path.name: path.stat().st_size for path in SCRIPTS.glob("*.js")}
    assert 0 < sum(sizes.values()) < MAX_BYTES, sizes


@NEEDS_NODE
def test_scripts_leave_one_name_behind():
    names = ("mathematics", "network", "figures")
    sources = [(SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in names]
    body = """
      const vm = require("vm");
      const before = new Set(vm.runInNewContext("Object.getOwnPropertyNames(globalThis)"));
      const all = `${data.join("\\n")}\\nObject.getOwnPropertyNames(globalThis)`;
      return Array.from(vm.runInNewContext(all, {})).filter((name) => !before.has(name));
    """
    assert in_node(body, sources, scripts=()) == ["NNDL"]


def test_scripts_ask_for_nothing():
    for path in SCRIPTS.glob("*.js"):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        found = [word for word in ("http:", "https:", "fetch(", "eval(", "cookie") if word in text]
        assert found == [], path.name

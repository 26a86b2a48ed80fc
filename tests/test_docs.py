"""The pages of the docs: all that there is stands on them, and the site is built of them."""

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from project import ROOT

import nndl_jax

PAGES = sorted(path.name for path in (ROOT / "docs").glob("*.md"))


def test_every_public_name_stands_on_the_page_of_python() -> None:
    text = (ROOT / "docs/api.md").read_text()
    named = [path.rpartition(".")[2] for path in re.findall(r"^::: (\S+)$", text, re.MULTILINE)]
    assert sorted(named) == sorted(nndl_jax.__all__)


def test_every_page_is_in_the_sites_list() -> None:
    project = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    listed = [file for entry in project["nav"] for file in entry.values()]
    assert sorted(listed) == PAGES


def test_the_site_is_built_without_a_link_that_leads_nowhere(tmp_path) -> None:
    pytest.importorskip("zensical")
    pytest.importorskip("mkdocstrings_handlers.python")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    (tmp_path / "nndl_jax").symlink_to(ROOT / "nndl_jax")
    (tmp_path / "zensical.toml").write_text((ROOT / "zensical.toml").read_text())
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    built = tmp_path / "dist/docs"
    assert "load_pretrained" in (built / "api.html").read_text()
    assert {path.with_suffix(".md").name for path in built.glob("*.html")} >= set(PAGES)
    loaded = r'<(?:script|link|img)[^>]*(?:src|href)="?https?:'
    assert not any(re.search(loaded, path.read_text()) for path in built.glob("*.html"))

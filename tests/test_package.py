"""The built package from anywhere, and the README as a reader would follow it."""

import json
import re
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from judged_entry import ENTRY
from project import ROOT, environment, run, synthetic

from nndl_jax.data.datasets import save_dataset
from nndl_jax.documents.load import list_specs, load_spec
from pipeline.report import update_readme


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the package as its wheel installs it."""
    folder = tmp_path_factory.mktemp("wheel")
    wheel = ("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder))
    run(sys.executable, "-m", "pip", *wheel, str(ROOT), cwd=folder)
    (archive,) = folder.glob("*.whl")
    zipfile.ZipFile(archive).extractall(folder / "site")
    return folder / "site"


def in_python(code: str, folder: Path, path: Path) -> str:
    """What a program prints that runs in a folder, with the package from `path` alone."""
    own = environment(PYTHONPATH=str(path))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_wheel_brings_its_documents_and_types(installed: Path, tmp_path: Path) -> None:
    code = "import nndl_jax; print(nndl_jax.__file__, *nndl_jax.list_specs())"
    file, *ids = in_python(code, tmp_path, installed).split()
    assert Path(file).is_relative_to(installed)
    assert ids == list_specs()
    assert (
        in_python("import nndl_jax; print(nndl_jax.load_spec('iris').id)", tmp_path, installed)
        == "iris"
    )
    assert (installed / "nndl_jax/py.typed").exists()


def test_a_folder_with_its_own_spec_does_no_harm(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "spec.py").write_text("raise SystemExit('spec.py was imported')\n")
    (tmp_path / "spec").mkdir()
    code = "import nndl_jax; print(nndl_jax.load_spec('ch1-30-hidden').optimizer.learning_rate)"
    assert in_python(code, tmp_path, installed) == "3.0"


def test_reading_documents_does_not_import_jax(tmp_path: Path) -> None:
    code = (
        "import sys, nndl_jax\n"
        "nndl_jax.variants(nndl_jax.load_spec('ch1-learning-rates'))\n"
        "print('jax' in sys.modules)"
    )
    assert in_python(code, tmp_path, ROOT) == "False"


def test_jax_is_not_imported_before_a_stage_has_set_it_up(tmp_path: Path) -> None:
    stages = ["resolve", "train", "ensemble", "record", "calculate", "evaluate", "report"]
    code = (
        "import importlib, sys\n"
        f"for stage in {stages}:\n"
        "    importlib.import_module(f'pipeline.{stage}')\n"
        "    print(stage, 'jax' in sys.modules)"
    )
    printed = in_python(code, tmp_path, ROOT).splitlines()
    assert printed == [f"{stage} False" for stage in stages]


def test_every_public_name_exists(tmp_path: Path) -> None:
    code = "import nndl_jax; print(all(getattr(nndl_jax, name) for name in nndl_jax.__all__))"
    assert in_python(code, tmp_path, ROOT) == "True"


def python_of(name: str) -> str:
    """The snippets of a page, as one program, but for those of packages that are not here."""
    snippets = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    absent = [package for package in OPTIONAL if find_spec(package) is None]
    return "\n".join(snippet for snippet in snippets if not any(name in snippet for name in absent))


PAGES = ("README.md", "docs/data.md", "docs/cookbook.md")
OPTIONAL = ("optuna", "tensorboardX")


def test_the_python_of_the_pages_runs(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    save_dataset(synthetic(200), tmp_path / "data/dataset.safetensors")
    last = in_python("\n".join(map(python_of, PAGES)), tmp_path, ROOT).splitlines()[-1]
    assert 0 <= float(last) <= 1
    assert (tmp_path / "digits.safetensors").exists()


@pytest.mark.parametrize("package", OPTIONAL)
def test_the_recipe_of_a_package_is_among_what_runs(package: str) -> None:
    pytest.importorskip(package, reason=f"no {package}: pip install 'nndl-jax[recipes]'")
    assert package in python_of("docs/cookbook.md")


def test_the_python_of_the_pages_is_rightly_typed(installed: Path, tmp_path: Path) -> None:
    for page in PAGES:
        (tmp_path / f"{Path(page).stem.lower()}.py").write_text(python_of(page))
    # JAX leaves parts of its own types unknown, and Optax has no stubs.
    unknown = ("Argument", "Lambda", "Member", "Variable")
    own = {f"reportUnknown{part}Type": False for part in unknown}
    own["reportMissingTypeStubs"] = False
    own |= {"extraPaths": [str(installed)], "typeCheckingMode": "strict"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(own))
    command = [sys.executable, "-m", "basedpyright", "--outputjson", "--level", "error"]
    command += ["--pythonpath", sys.executable]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert [diagnostic["message"] for diagnostic in found["generalDiagnostics"]] == []
    assert found["summary"]["filesAnalyzed"] == len(PAGES)


def test_the_readme_shows_the_document_as_it_is() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert shown in (ROOT / "spec/ch1-30-hidden.yaml").read_text()


def test_the_document_of_ones_own_that_is_shown_is_read(tmp_path: Path) -> None:
    text = (ROOT / "experiments/README.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "fifty.yaml").write_text(shown)
    assert load_spec(tmp_path / "fifty.yaml").source is None


def test_the_commands_of_the_readme_exist() -> None:
    text = (ROOT / "README.md").read_text()
    makefile = (ROOT / "Makefile").read_text()
    for target in set(re.findall(r"^make (\w+)", text, re.MULTILINE)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / path).exists(), path


def test_the_readme_gets_its_table_from_the_report(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("Before\n<!-- results -->\nold\n<!-- /results -->\nAfter\n")
    entry = ENTRY | {"document": "a", "chapter": 1}
    update_readme(readme, "quick", [entry])
    text = readme.read_text()
    assert "old" not in text
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    assert ["2. How the backpropagation algorithm works", *"0000000"] in cells
    (first,) = [row for row in cells if row and row[0].startswith("1.")]
    assert first[1:] == ["1", "1", "0", "1", "0", "0", "0"]
    assert text.startswith("Before\n")
    assert text.endswith("After\n")

"""Limits of single documents in `params.yaml`, in place of those of the profile."""

from pathlib import Path

import pytest
from project import TINY

from nndl_jax.documents import Network
from nndl_jax.reading.faults import SpecError
from pipeline.plan.plans import Plan
from pipeline.plan.resolving import resolve_all

SETTINGS = """\
profile: {profile}
documents: all
runs: {runs}
seed: 0
overrides: {{}}
profiles:
  smoke:
    runs: 2
    max_runs: {max_runs}
    max_epochs: 5
    max_train_images: 1000
    max_fit_images: 200
    limits: {limits}
  quick:
    runs: 2
    max_runs: null
    max_epochs: null
    max_train_images: null
    max_fit_images: null
    leave_out: {leave_out}
  book: {{runs: 5, max_runs: null, max_epochs: null, max_train_images: null, max_fit_images: null}}
"""


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch) -> None:
    """The working folder: two networks that differ in nothing but their names."""
    (tmp_path / "spec").mkdir()
    for name in ("tiny", "other"):
        (tmp_path / f"spec/{name}.yaml").write_text(TINY.replace("id: tiny", f"id: {name}"))
    monkeypatch.chdir(tmp_path)


def _write(limits="{}", **settings) -> None:
    usual = {"profile": "smoke", "runs": "null", "max_runs": "null", "leave_out": "[]"}
    Path("params.yaml").write_text(SETTINGS.format(limits=limits, **(usual | settings)))


def _resolve(limits="{}", **settings) -> dict[str, Plan]:
    _write(limits, **settings)
    return resolve_all()[1]


def _epochs_and_images(resolved: Plan) -> tuple[int, int | None]:
    spec = resolved.spec
    assert isinstance(spec, Network)
    return spec.training.epochs, spec.data.train_images


def _refusal(limits: str, **settings) -> str:
    _write(limits, **settings)
    with pytest.raises(SpecError) as caught:
        resolve_all()
    return str(caught.value)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("{}", (5, 1000)),
        ("{max_epochs: 1}", (1, 1000)),
        # More than the profile lets others have.
        ("{max_epochs: 9}", (9, 1000)),
        ("{max_train_images: 50}", (5, 50)),
        ("{max_train_images: 50000}", (5, 50_000)),
        ("{max_epochs: 1, max_train_images: 50}", (1, 50)),
        ("{max_epochs: null}", (5, 1000)),
    ],
)
def test_a_document_has_its_own_limits_in_place_of_the_profiles(limits, expected):
    resolved = _resolve(f"{{tiny: {limits}}}")
    assert _epochs_and_images(resolved["tiny"]) == expected
    assert _epochs_and_images(resolved["other"]) == (5, 1000)


def test_limits_of_another_profile_change_nothing():
    limits = "{tiny: {max_epochs: 1, max_train_images: 50, runs: 7}}"
    assert _resolve(limits, profile="quick") == _resolve(profile="quick")


@pytest.mark.parametrize(
    ("limits", "settings", "expected"),
    [
        ("{tiny: {runs: 7}}", {}, (7, 2)),
        ("{tiny: {max_epochs: 1}}", {}, (2, 2)),
        # What is asked for in so many words is done.
        ("{tiny: {runs: 7}}", {"runs": "3"}, (3, 3)),
        ("{tiny: {runs: 1}}", {}, (1, 2)),
    ],
)
def test_a_document_has_runs_of_its_own(limits, settings, expected):
    resolved = _resolve(limits, **settings)
    assert tuple(len(resolved[name].seeds) for name in ("tiny", "other")) == expected


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (
            "{tiny: {max_epochs: 1}, othr: {max_epochs: 1}}",
            "params.yaml:13: profiles.smoke.limits: there is no document 'othr'; "
            "did you mean 'other'?",
        ),
        (
            "{tiny: {max_epochs: 0}}",
            "params.yaml:13: profiles.smoke.limits.tiny.max_epochs: must be >= 1, got 0",
        ),
        (
            "{tiny: {runs: 1001}}",
            "params.yaml:13: profiles.smoke.limits.tiny.runs: must be <= 1,000, got 1001",
        ),
        (
            "{tiny: {max_epoch: 1}}",
            "params.yaml:13: profiles.smoke.limits.tiny.max_epoch: is not a known field; "
            "did you mean 'max_epochs'?",
        ),
    ],
    ids=["unknown document", "no epochs", "too many runs", "unknown field"],
)
def test_faulty_limits_are_refused_also_where_the_profile_is_not_run(limits, expected):
    assert _refusal(limits) == expected
    assert _refusal(limits, profile="book") == expected


def test_unknown_documents_are_named_by_the_line_of_each():
    limits = "\n      tiny: {max_epochs: 1}\n      teeny: {max_epochs: 1}"
    expected = (
        "params.yaml:15: profiles.smoke.limits: there is no document 'teeny'; did you mean 'tiny'?"
    )
    assert _refusal(limits) == expected


def test_a_document_with_limits_may_be_left_out_elsewhere():
    resolved = _resolve("{tiny: {max_epochs: 1}}", profile="quick", leave_out="[tiny]")
    assert [resolved[name].selected for name in ("tiny", "other")] == [False, True]


def test_a_document_of_other_data_is_run_like_the_others():
    flowers = (Path(__file__).parents[2] / "docs/data/iris.yaml").read_text()
    Path("spec/iris.yaml").write_text(flowers)
    selected = {name for name, plan in _resolve().items() if plan.selected}
    assert selected == {"iris", "tiny", "other"}

"""What documents say of each other: what is not so is refused, at the line that says it."""

from pathlib import Path

import pytest
from project import CROWD, KEEPING, TINY, write_params

from nndl_jax.reading.faults import SpecError
from pipeline.plan.resolving import resolve_all

OTHER = TINY.replace("id: tiny", "id: other")
AXIS = "vary:\n  - optimizer.learning_rate: [0.5, 1.0]\n"
VOTE = f"{CROWD}network: best\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec/other.yaml").write_text(OTHER)
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def comparison(worse: str, *, metric: str = "test_accuracy", epoch: str = "last") -> str:
    """A document that says that it does better than another."""
    claim = f"kind: comparison, statement: s, metric: {metric}, epoch: {epoch}"
    return f"{TINY}claims:\n  - {{{claim}, better: {{}}, worse: {worse}}}\n"


def refusal() -> str:
    with pytest.raises(SpecError) as caught:
        resolve_all()
    return str(caught.value)


LINE = len(TINY.splitlines()) + 2


@pytest.mark.parametrize(
    ("worse", "expected"),
    [
        (
            "{document: othr}",
            "worse.document: there is no document 'othr'; did you mean 'other'?",
        ),
        (
            "{document: other, metric: train_cost}",
            "worse.metric: 'train_cost' is not measured by other; what is: test_accuracy",
        ),
        (
            "{document: other, variant: {loss: quadratic}}",
            "worse.variant: must name one variant of other: base",
        ),
    ],
)
def test_a_side_that_does_not_exist_is_refused(project: Path, worse: str, expected: str) -> None:
    (project / "spec/tiny.yaml").write_text(comparison(worse))
    assert refusal() == f"spec/tiny.yaml:{LINE}: claims[0].{expected}"


def test_a_metric_of_the_claim_must_be_measured_on_both_sides(project: Path) -> None:
    measuring = comparison("{document: other}", metric="validation_accuracy")
    measuring = measuring.replace("monitors: [", "monitors: [validation_accuracy, ")
    (project / "spec/tiny.yaml").write_text(measuring)
    message = "'validation_accuracy' is not measured by other; what is: test_accuracy"
    assert refusal() == f"spec/tiny.yaml:{LINE}: claims[0].worse.document: {message}"


def test_one_variant_of_several_must_be_named(project: Path) -> None:
    (project / "spec/other.yaml").write_text(OTHER + AXIS)
    (project / "spec/tiny.yaml").write_text(comparison("{document: other}"))
    message = "must name one variant of other: learning_rate=0.5, learning_rate=1.0"
    assert refusal() == f"spec/tiny.yaml:{LINE}: claims[0].worse.document: {message}"
    named = "{document: other, variant: {optimizer.learning_rate: 1.0}}"
    (project / "spec/tiny.yaml").write_text(comparison(named))
    assert set(resolve_all()[1]) == {"tiny", "other"}


def test_best_validation_needs_validation_on_both_sides(project: Path) -> None:
    claim = comparison("{document: other}", epoch="best-validation")
    (project / "spec/tiny.yaml").write_text(claim)
    message = "'best-validation' needs validation_accuracy, which is not measured; monitor it"
    assert refusal() == f"spec/tiny.yaml:{LINE}: claims[0].epoch: {message}"
    (project / "spec/tiny.yaml").write_text(
        claim.replace("monitors: [", "monitors: [validation_accuracy, ")
    )
    message = "'best-validation' needs validation_accuracy, which other does not measure"
    assert refusal() == f"spec/tiny.yaml:{LINE}: claims[0].worse.document: {message}"


def test_faults_of_the_other_document_are_told_once(project: Path) -> None:
    (project / "spec/other.yaml").write_text(OTHER.replace("batch_size: 10", "batch_size: 0"))
    (project / "spec/tiny.yaml").write_text(comparison("{document: other, metric: train_cost}"))
    assert refusal().count("\n") == 0
    assert "spec/other.yaml" in refusal()


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            "{crowd: {members: nope}}",
            "overrides.crowd.members: there is no document 'nope'; known are 'crowd', 'other', "
            "'tiny'",
        ),
        (
            "{crowd: {members: other}}",
            "overrides.crowd.network: training.keep_best of other is false; take the last",
        ),
        (
            "{tiny: {training.keep_best: false}}",
            "overrides.tiny: crowd has no members any more, as its network training.keep_best of "
            "tiny is false; take the last",
        ),
    ],
)
def test_overrides_that_part_a_vote_from_its_members_are_refused(
    project: Path, overrides: str, expected: str
) -> None:
    (project / "spec/tiny.yaml").write_text(KEEPING)
    (project / "spec/crowd.yaml").write_text(VOTE)
    assert set(resolve_all()[1]) == {"tiny", "other", "crowd"}
    write_params(project, overrides=overrides)
    assert refusal() == f"params.yaml:5: {expected}"


def test_overrides_may_choose_other_members(project: Path) -> None:
    (project / "spec/tiny.yaml").write_text(KEEPING)
    (project / "spec/crowd.yaml").write_text(VOTE)
    write_params(project, overrides="{crowd: {members: other, network: last}}")
    assert resolve_all()[1]["crowd"].spec.members == "other"

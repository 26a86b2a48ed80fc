"""Documents of kind `ensemble`: what they may say, and which networks vote."""

from pathlib import Path

import pytest
from project import CROWD, KEEPING, MACHINE, TINY, write_params

from nndl_jax.documents import Ensemble
from nndl_jax.documents.load import dump_spec, parse_spec
from nndl_jax.documents.variants import Run, list_runs
from nndl_jax.reading.faults import SpecError
from pipeline import resolve
from pipeline.ensemble import list_networks
from pipeline.plan.plans import load_plans
from pipeline.plan.resolving import resolve_all
from pipeline.store.results import load_all
from pipeline.store.runs import write_history

RATES = f"{TINY}vary:\n  - optimizer.learning_rate: [0.5, 1.0]\n"


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """The working folder: a network of three runs, and a vote of these."""
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec/tiny.yaml").write_text(TINY)
    (tmp_path / "spec/crowd.yaml").write_text(CROWD)
    write_params(tmp_path, runs="3")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(name: str, text: str) -> None:
    Path(f"spec/{name}.yaml").write_text(text)


def _refusal() -> str:
    with pytest.raises(SpecError) as caught:
        resolve_all()
    return str(caught.value)


def _crowd(text: str) -> Ensemble:
    spec = parse_spec(text, Path("crowd.yaml"))
    assert isinstance(spec, Ensemble)
    return spec


def _networks() -> list[str]:
    _, resolved = resolve_all()
    spec = resolved["crowd"].spec
    assert isinstance(spec, Ensemble)
    return [str(path) for path in list_networks(spec, resolved["tiny"])]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            "vary: [{network: [last, best]}]",
            "7: vary: an ensemble has no variants; write one document for each",
        ),
        (
            "known_errors:\n  - {image: 3, output: 1}\n  - {image: 4, output: 1}\n"
            "  - {image: 3, output: 2}",
            "10: known_errors[2].image: 3 is there already",
        ),
        (
            "known_errors: [{image: 10000, output: 1}]",
            "7: known_errors[0].image: must be < 10,000, got 10000",
        ),
        (
            "known_errors: [{image: 1, output: 10}]",
            "7: known_errors[0].output: must be <= 9, got 10",
        ),
        ("network: first", "7: network: must be one of last, best, got 'first'"),
        (
            "claims: [{kind: number, statement: s, metric: train_cost, value: 1.0}]",
            "7: claims[0].metric: 'train_cost' is not measured here; what is: test_accuracy, "
            "num_errors, num_common_errors, mean_accuracy",
        ),
    ],
)
def test_what_does_not_fit_an_ensemble_is_refused(fields, expected):
    with pytest.raises(SpecError) as caught:
        _crowd(f"{CROWD}{fields}\n")
    assert str(caught.value) == f"crowd.yaml:{expected}"


@pytest.mark.parametrize(
    ("size", "expected"),
    [("1", "must be >= 2, got 1"), ("101", "must be <= 100, got 101")],
)
def test_a_vote_is_of_two_to_a_hundred_networks(size, expected):
    with pytest.raises(SpecError) as caught:
        _crowd(CROWD.replace("size: 3", f"size: {size}"))
    assert str(caught.value) == f"crowd.yaml:6: size: {expected}"
    assert [_crowd(CROWD.replace("3", str(size))).size for size in (2, 100)] == [2, 100]


def test_an_ensemble_is_written_as_it_is_read():
    more = "network: best\nvariant: {loss: quadratic}\nknown_errors: [{image: 0, output: 9}]\n"
    spec = _crowd(CROWD + more)
    assert parse_spec(dump_spec(spec), Path("crowd.yaml")) == spec


@pytest.mark.parametrize(
    ("crowd", "tiny", "expected"),
    [
        (
            CROWD.replace("members: tiny", "members: tinny"),
            TINY,
            "5: members: there is no document 'tinny'; did you mean 'tiny'?",
        ),
        (
            CROWD.replace("members: tiny", "members: machine"),
            TINY,
            "5: members: must be a network, and machine is of kind baseline",
        ),
        (
            f"{CROWD}variant: {{optimizer.learning_rate: 2.0}}\n",
            RATES,
            "7: variant: must name one variant of tiny: learning_rate=0.5, learning_rate=1.0",
        ),
        (
            f"{CROWD}variant: {{optimizer.learning_rate: 1.0}}\n",
            TINY,
            "7: variant: must name one variant of tiny: base",
        ),
        (
            f"{CROWD}network: best\n",
            TINY,
            "7: network: training.keep_best of tiny is false; take the last",
        ),
    ],
    ids=["unknown", "no network", "unknown variant", "variant of none", "best that is not kept"],
)
def test_members_that_cannot_vote_are_refused(project, crowd, tiny, expected):
    _write("crowd", crowd)
    _write("tiny", tiny)
    _write("machine", MACHINE)
    assert _refusal() == f"spec/crowd.yaml:{expected}"


def test_best_networks_vote_where_they_are_kept(project):
    _write("crowd", f"{CROWD}network: best\n")
    _write("tiny", KEEPING)
    best = "runs/tiny/weights/best/base,seed="
    assert _networks() == [f"{best}{seed}.safetensors" for seed in range(3)]


def test_last_networks_of_the_chosen_variant_vote(project):
    _write("crowd", f"{CROWD}variant: {{optimizer.learning_rate: 1.0}}\n")
    _write("tiny", RATES)
    last = "runs/tiny/weights/learning_rate=1.0,seed="
    assert _networks() == [f"{last}{seed}.safetensors" for seed in range(3)]


@pytest.mark.parametrize(("runs", "expected"), [(2, 2), (5, 3)])
def test_as_many_networks_vote_as_there_are_up_to_the_size(project, runs, expected):
    write_params(project, runs=str(runs), seed="17")
    names = [f"base,seed={seed}.safetensors" for seed in range(17, 17 + expected)]
    assert [Path(path).name for path in _networks()] == names


@pytest.mark.parametrize(
    ("documents", "overrides"),
    [
        ("[crowd]", "{}"),
        # Variants are chosen as the book has them; an override may leave the chosen one out.
        ("all", "{tiny: {vary: [{optimizer.learning_rate: [0.5]}]}}"),
    ],
)
def test_networks_that_were_not_trained_do_not_vote(project, documents, overrides):
    _write("crowd", f"{CROWD}variant: {{optimizer.learning_rate: 1.0}}\n")
    _write("tiny", RATES)
    write_params(project, runs="3", documents=documents, overrides=overrides)
    assert _networks() == []


def test_a_vote_is_held_once_whatever_the_number_of_runs(project):
    write_params(project, runs="7", seed="5")
    _, resolved = resolve_all()
    assert (resolved["crowd"].seeds, len(resolved["tiny"].seeds)) == ((5,), 7)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"runs": "3"}, None),
        ({"runs": "4"}, None),
        ({"runs": "2"}, "other settings"),
        ({"runs": "3", "overrides": "{tiny: {optimizer.learning_rate: 2.0}}"}, "other settings"),
        ({"runs": "3", "overrides": "{crowd: {size: 2}}"}, "other settings"),
        # The smoke profile trains for two epochs of 300.
        ({"runs": "3", "profile": "smoke"}, "other settings"),
    ],
)
def test_a_vote_of_fewer_or_other_networks_is_foreign(project, settings, expected):
    write_params(project, **settings)
    resolve.main()
    for name, plan in load_plans().items():
        runs = list_runs(plan.list_variants(), plan.seeds)
        row = {"epoch": [0.0] * len(runs), "test_accuracy": [0.5] * len(runs)}
        write_history(name, runs, [row], data="mnist")
    assert load_all()[1]["crowd"].foreign == expected


def test_a_vote_on_other_images_is_foreign(project):
    resolve.main()
    row = {"epoch": [0.0], "test_accuracy": [0.5]}
    write_history("crowd", [Run("base", 0)], [row], data="digits")
    write_history("tiny", [], [], data="digits")
    assert load_all()[1]["crowd"].foreign == "not MNIST"

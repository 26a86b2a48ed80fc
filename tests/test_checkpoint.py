"""Networks on disk: what is saved comes back, and a file that is no network is refused."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors import safe_open
from safetensors.numpy import save_file

from nndl_jax import build_model, load, load_spec, save

KEY = jax.random.key(0)


def bits(tree):
    return [
        (leaf.dtype.name, leaf.shape, np.asarray(leaf).tobytes()) for leaf in jax.tree.leaves(tree)
    ]


@pytest.fixture
def saved(small_network, tmp_path):
    """A file with a network of the small document."""
    path = tmp_path / "net.safetensors"
    save(build_model(small_network(), key=KEY), small_network(), path)
    return path


def test_saved_network_comes_back_bit_for_bit(small_network, saved):
    model, _ = load(saved)
    drawn = build_model(small_network(), key=KEY)
    assert bits(nnx.state(model, nnx.Param)) == bits(nnx.state(drawn, nnx.Param))


def test_saved_document_comes_back(small_network, saved):
    assert load(saved)[1] == small_network()


def test_document_is_saved_without_what_the_book_says_of_it(tmp_path):
    spec = load_spec("ch1-30-hidden")
    save(build_model(spec, key=KEY), spec, tmp_path / "net.safetensors")
    assert load(tmp_path / "net.safetensors")[1] == spec.bare()


def test_loaded_network_classifies(small_network, saved):
    images = jnp.full((3, 784), 0.5)
    expected = build_model(small_network(), key=KEY)(images)
    np.testing.assert_array_equal(load(str(saved))[0](images), expected)


def test_saving_leaves_no_other_file(saved):
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        load(tmp_path / "none")
    assert str(caught.value) == f"{tmp_path}/none: there is no such file"


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_truncated_file_is_refused(saved, keep):
    saved.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(ValueError, match=f"^{saved}: is not a whole safetensors file: .+"):
        load(saved)


def test_random_bytes_are_refused(saved):
    saved.write_bytes(np.random.default_rng(0).bytes(1000))
    with pytest.raises(ValueError, match=f"^{saved}: is not a whole safetensors file: .+"):
        load(saved)


def rewrite(path, *, metadata=None, **changed):
    """Write the arrays of a file again, with others and with its own metadata or another."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() if metadata is None else metadata
    arrays = {name: array for name, array in (arrays | changed).items() if array is not None}
    save_file(arrays, path, metadata)


def refusal(path):
    with pytest.raises(ValueError, match=re.escape(str(path))) as caught:
        load(path)
    return str(caught.value)


def test_file_without_a_document_is_refused(saved):
    rewrite(saved, metadata={"by": "someone else"})
    assert refusal(saved) == f"{saved}: holds no document; it was not written by nndl_jax.save"


def test_file_with_a_faulty_document_is_refused(saved, small_network):
    document = small_network().model_dump_json().replace("quadratic", "quartic")
    rewrite(saved, metadata={"spec": document})
    assert refusal(saved) == (
        f"{saved}: loss: must be one of quadratic, cross-entropy, log-likelihood, "
        "cross-entropy-by-activation, got 'quartic'; did you mean 'quadratic'?"
    )


def test_file_with_a_document_that_is_no_json_is_refused(saved):
    rewrite(saved, metadata={"spec": "{"})
    assert refusal(saved) == (
        f"{saved}: its document is not JSON; it was not written by nndl_jax.save"
    )


def test_file_with_the_document_of_a_baseline_is_refused(saved):
    rewrite(saved, metadata={"spec": load_spec("ch1-svm").model_dump_json()})
    assert refusal(saved) == f"{saved}: its document is a baseline, which has no weights"


def test_array_of_another_shape_is_refused(saved):
    rewrite(saved, **{"layers.0.weight": np.zeros((30, 784), np.float32)})
    assert refusal(saved) == (
        f"{saved}: array 'layers.0.weight' must be float32 (8, 784), found float32 (30, 784)"
    )


def test_array_of_another_type_is_refused(saved):
    rewrite(saved, **{"layers.0.bias": np.zeros(8)})
    assert refusal(saved) == (
        f"{saved}: array 'layers.0.bias' must be float32 (8,), found float64 (8,)"
    )


def test_missing_array_is_refused(saved):
    rewrite(saved, **{"layers.1.bias": None})
    assert refusal(saved) == (
        f"{saved}: array 'layers.1.bias' must be float32 (10,), found nothing"
    )


def test_array_that_the_document_does_not_have_is_refused(saved):
    rewrite(saved, **{"layers.2.bias": np.zeros(10, np.float32)})
    assert refusal(saved) == (
        f"{saved}: array 'layers.2.bias' is not one of its document's; found float32 (10,)"
    )

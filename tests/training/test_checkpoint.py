"""Networks on disk: what is saved comes back, and a file that is no network is refused."""

import os
import re
import struct
from inspect import unwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from safetensors import safe_open
from safetensors.numpy import save_file

from nndl_jax import SpecError, build_model, load, load_spec, save, train
from nndl_jax.data import array_files
from nndl_jax.data.array_files import MAX_HEADER, write_arrays

KEY = jax.random.key(0)
CONV = {"kind": "conv", "filters": 2, "kernel": [5, 5], "activation": "relu"}
POOL = {"kind": "max-pool", "window": [2, 2]}
SMALL = {"kind": "dense", "units": 8, "activation": "sigmoid", "dropout": 0.5}
LAST = {"kind": "dense", "units": 10, "activation": "sigmoid"}
CONVOLUTIONS = {"model.inputs": [1, 28, 28], "model.layers": [CONV, POOL, {**POOL}, SMALL, LAST]}


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


def test_every_result_of_training_is_saved_with_its_own_document(
    small_network, small_dataset, tmp_path
):
    axis = {"model.layers[1].dropout": [0.0, 0.5], "model.layers[0].activation": ["tanh", "relu"]}
    spec = small_network({"vary": [axis], "data.train_images": 10, "monitors": ["test_cost"]})
    (result,) = train(spec, small_dataset)
    images = jnp.asarray(small_dataset.test.images / np.float32(256))
    for index in range(2):
        path = tmp_path / f"{index}.safetensors"
        save(result.model(index), result.spec(index), path)
        model, own = load(path)
        np.testing.assert_array_equal(model(images), result.model(index)(images))
        assert own.model.layers[1].dropout == (0.0, 0.5)[index]


def test_convolutions_come_back(small_network, tmp_path):
    spec = small_network(CONVOLUTIONS)
    model = build_model(spec, key=KEY)
    save(model, spec, tmp_path / "net.safetensors")
    images = jnp.linspace(0, 1, 784)
    np.testing.assert_array_equal(load(tmp_path / "net.safetensors")[0](images), model(images))


def unsaved(model, spec, folder):
    """Why a network is not saved; nothing is written."""
    with pytest.raises(SpecError) as caught:
        save(model, spec, folder / "net.safetensors")
    assert not list(folder.iterdir())
    remedy = (
        "; save a network with the document that it was built from, of a result of training "
        "result.spec(i)"
    )
    assert str(caught.value).startswith("small: model: ")
    assert str(caught.value).endswith(remedy)
    return str(caught.value).removeprefix("small: model: ").removesuffix(remedy)


OTHERS = {
    "units": (
        {"model.layers[0].units": 30},
        "array 'layers.0.bias' must be float32 (8,), found float32 (30,)",
    ),
    "activation": (
        {"model.layers[0].activation": "tanh"},
        "layer 0 of the network is dense, tanh, and the document's is dense, sigmoid",
    ),
    "output activation": (
        {"model.layers[1].activation": "softmax"},
        "layer 1 of the network is dense, softmax, and the document's is dense, sigmoid",
    ),
    "dropout": (
        {"model.layers[1].dropout": 0.25},
        "layer 1 of the network is dense, sigmoid, dropping 0.25 by image, and the document's is "
        "dense, sigmoid",
    ),
    "more layers": (
        {"model.layers[0].repeat": 2},
        "layer 2 of the network is dense, sigmoid, and the document's is missing",
    ),
    "fewer layers": (
        {"model.layers": [LAST]},
        "layer 1 of the network is missing, and the document's is dense, sigmoid",
    ),
    "another kind of layer": (
        {"model.inputs": [1, 28, 28], "model.layers": [CONV, LAST]},
        "the network takes inputs of (1, 28, 28), and the document's of (784,)",
    ),
}


@pytest.mark.parametrize(("changes", "why"), OTHERS.values(), ids=OTHERS)
def test_network_of_another_document_is_not_saved(small_network, tmp_path, changes, why):
    model = build_model(small_network(changes), key=KEY)
    assert unsaved(model, small_network(), tmp_path) == why


SIBLINGS = {
    "window": (
        {"model.layers[1].window": [4, 4]},
        {"model.layers[1].window": [4, 3]},
        "layer 0 of the network is a convolution, relu, windows of (4, 4), and the document's is "
        "a convolution, relu, windows of (4, 3)",
    ),
    "stride": (
        {"model.layers[0].stride": [2, 1]},
        {"model.layers[0].stride": [1, 2]},
        "layer 0 of the network is a convolution, relu, windows of (2, 2), a stride of (2, 1), and "
        "the document's is a convolution, relu, windows of (2, 2), a stride of (1, 2)",
    ),
    "padding": (
        {"model.layers[0].padding": "same"},
        {},
        "layer 0 of the network is a convolution, relu, windows of (2, 2), zeros around the image, "
        "and the document's is a convolution, relu, windows of (2, 2)",
    ),
    "average-pooling": (
        {"model.layers[2]": {"kind": "average-pool", "window": [1, 2]}},
        {"model.layers[2]": {"kind": "average-pool", "window": [2, 1]}},
        "layer 1 of the network is average-pooling, windows of (1, 2), and the document's is "
        "average-pooling, windows of (2, 1)",
    ),
    "masks": (
        {"training.dropout_masks": "batch"},
        {},
        "layer 2 of the network is dense, sigmoid, dropping 0.5 by batch, and the document's is "
        "dense, sigmoid, dropping 0.5 by image",
    ),
    "pooling": (
        {"model.layers[2].window": [3, 3]},
        {},
        "layer 1 of the network is max-pooling, windows of (3, 3), and the document's is "
        "max-pooling, windows of (2, 2)",
    ),
    "dtype": (
        {"training.dtype": "float64"},
        {},
        "array 'layers.0.bias' must be float32 (2,), found float64 (2,)",
    ),
}


@pytest.mark.parametrize(("ours", "theirs", "why"), SIBLINGS.values(), ids=SIBLINGS)
def test_convolutional_network_of_another_document_is_not_saved(
    small_network, tmp_path, ours, theirs, why
):
    with jax.enable_x64("training.dtype" in ours):
        model = build_model(small_network(CONVOLUTIONS | ours), key=KEY)
    assert unsaved(model, small_network(CONVOLUTIONS | theirs), tmp_path) == why


def test_network_with_a_replaced_layer_is_not_saved(small_network, tmp_path):
    model = build_model(small_network(), key=KEY)
    model.layers[0].weight = nnx.Param(model.layers[0].weight[...].astype(jnp.bfloat16))
    assert unsaved(model, small_network(), tmp_path) == (
        "array 'layers.0.weight' must be float32 (8, 784), found bfloat16 (8, 784)"
    )
    model.layers[0] = nnx.Linear(784, 8, rngs=nnx.Rngs(0))
    assert unsaved(model, small_network(), tmp_path) == (
        "layer 0 of the network is of type Linear, and the document's is dense, sigmoid"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_network_that_is_not_finite_is_neither_saved_nor_loaded(
    small_network, saved, tmp_path, value
):
    model = build_model(small_network(), key=KEY)
    model.layers[1].bias[...] = model.layers[1].bias[...].at[3].set(value)
    folder = tmp_path / "empty"
    folder.mkdir()
    why = "array 'layers.1.bias' holds numbers that are not finite"
    with pytest.raises(SpecError) as caught:
        save(model, small_network(), folder / "net")
    assert str(caught.value) == (
        f"small: training.allow_divergence: {why}; train with a smaller learning rate, or allow "
        "for that"
    )
    assert list(folder.iterdir()) == []
    with array_files.open_arrays(saved) as file:
        arrays, texts = file.read_all(), {"spec": file.texts["spec"]}
    write_arrays(saved, {**arrays, "layers.1.bias": np.full(10, value, np.float32)}, texts)
    assert refusal(saved) == f"{saved}: {why}"


def test_network_that_may_diverge_is_saved_as_it_is(small_network, tmp_path):
    spec = small_network({"training.allow_divergence": True})
    model = build_model(spec, key=KEY)
    model.layers[1].bias[...] = jnp.full(10, jnp.nan)
    save(model, spec, tmp_path / "net.safetensors")
    assert np.isnan(load(tmp_path / "net.safetensors")[0].layers[1].bias[...]).all()


def test_construction_is_not_saved(small_network, tmp_path):
    with pytest.raises(TypeError) as caught:
        # Without the tests' own look at types.
        unwrap(save)(build_model(small_network(), key=KEY), load_spec("ch1-nand"), tmp_path / "net")
    assert str(caught.value) == (
        "ch1-nand is of kind construction, and network is needed here; build_construction and "
        "measure_construction take it"
    )


def test_saving_leaves_no_other_file(saved):
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


def test_a_network_is_saved_in_the_same_bytes_each_time(small_network, saved):
    contents = {saved.read_bytes()}
    for _ in range(10):
        save(load(saved)[0], small_network(), saved)
        contents.add(saved.read_bytes())
    assert len(contents) == 1


def test_saved_file_has_the_usual_permissions(saved):
    (saved.parent / "usual").touch()
    assert saved.stat().st_mode == (saved.parent / "usual").stat().st_mode


def damaged(content, kind, rng):
    """The same bytes with a bit flipped, an end cut off or a range zeroed, at a random place."""
    content, at = bytearray(content), int(rng.integers(len(content)))
    match kind:
        case "flip":
            content[at] ^= 1 << int(rng.integers(8))
        case "truncate":
            del content[at:]
        case _:
            end = min(len(content), at + int(rng.integers(1, 4096)))
            content[at:end] = bytes(end - at)
    return bytes(content)


@pytest.mark.parametrize("kind", ["flip", "truncate", "zero"])
def test_damaged_file_is_never_another_network(saved, kind):
    intact, (model, spec) = saved.read_bytes(), load(saved)
    expected, rng = bits(nnx.state(model, nnx.Param)), np.random.default_rng(0)
    num_refused = 0
    for _ in range(60):
        saved.write_bytes(damaged(intact, kind, rng))
        try:
            found, own = load(saved)
        except ValueError as error:
            assert str(error).startswith(str(saved))  # noqa: PT017
            num_refused += 1
        else:
            assert (bits(nnx.state(found, nnx.Param)), own) == (expected, spec)
    assert num_refused >= 55


def test_one_bit_of_a_weight_is_noticed(saved):
    content = bytearray(saved.read_bytes())
    content[-1000] ^= 1
    saved.write_bytes(content)
    assert refusal(saved) == f"{saved}: its checksum does not fit; the file is damaged"


def test_edited_document_is_noticed(saved):
    content = saved.read_bytes().replace(b"A small network", b"A large network")
    assert content != saved.read_bytes()
    saved.write_bytes(content)
    assert refusal(saved) == f"{saved}: its checksum does not fit; the file is damaged"


def test_file_without_a_checksum_is_refused(saved, small_network):
    rewrite(saved, metadata={"spec": small_network().model_dump_json()})
    assert refusal(saved) == (
        f"{saved}: has no checksum; it is of an older version of nndl_jax or not ours: make it "
        "again"
    )


def test_document_of_several_in_a_file_is_refused(saved, small_network):
    spec = small_network({"vary": [{"regularizer.l2": [0.0, 5.0]}]})
    rewrite(saved, metadata={"spec": spec.model_dump_json()})
    assert refusal(saved) == (
        f"{saved}: its document describes several networks; nndl_jax.save writes that of one"
    )


def test_huge_arrays_are_refused_before_they_are_read(saved, small_network, monkeypatch):
    # 3 GiB that take no place on the disk.
    size = 3 * 2**30
    spec = small_network().model_dump_json().replace('"', '\\"')
    header = (
        f'{{"__metadata__":{{"spec":"{spec}"}},"layers.0.weight":{{"dtype":"F32","shape":'
        f'[{size // 4}],"data_offsets":[0,{size}]}}}}'
    ).encode()
    saved.write_bytes(struct.pack("<Q", len(header)) + header)
    with saved.open("r+b") as file:
        file.truncate(8 + len(header) + size)
    monkeypatch.setattr(array_files.ArrayFile, "read", None)
    assert refusal(saved) == (f"{saved}: array 'layers.0.bias' must be float32 (8,), found nothing")


@pytest.mark.parametrize("length", [MAX_HEADER + 1, 2**40, 2**63])
def test_huge_headers_are_refused_before_they_are_read(saved, length):
    saved.write_bytes(struct.pack("<Q", length) + b"{}")
    assert refusal(saved) == (
        f"{saved}: is not a whole safetensors file: its header would have {length:,} bytes, and "
        f"at most {MAX_HEADER:,} are read"
    )


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_anything_but_a_file_is_refused(tmp_path, kind):
    path = tmp_path / "net.safetensors"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    assert refusal(path) == f"{path}: is not a file"


def test_arrays_of_types_that_numpy_does_not_have_are_refused(saved, small_network):
    spec = small_network().model_dump_json().replace('"', '\\"')
    header = (
        f'{{"__metadata__":{{"spec":"{spec}"}},"layers.0.bias":{{"dtype":"BF16","shape":[8],'
        '"data_offsets":[0,16]}}'
    ).encode()
    saved.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    assert refusal(saved) == (
        f"{saved}: array 'layers.0.bias' must be float32 (8,), found BF16 (8,)"
    )


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

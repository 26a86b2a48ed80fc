"""Training has the same bits on processors with other caches and instructions."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from project import ROOT

from nndl_jax.networks.products import times, times_transposed
from nndl_jax.training.jax_setup import PORTABLE, portable_flags

TRAIN = """
import hashlib, sys
import jax, numpy as np
import nndl_jax

def made_up(rng, count):
    images = (rng.random((count, 784)) < 0.2) * rng.integers(1, 256, (count, 784))
    return nndl_jax.Split(images.astype(np.uint8), rng.integers(0, 10, count).astype(np.int32))

rng = np.random.default_rng(0)
data = nndl_jax.Dataset("made up", made_up(rng, 200), made_up(rng, 50), made_up(rng, 50))
for name in sys.argv[1:]:
    *_, result = nndl_jax.train(nndl_jax.load_spec(name, {"training.epochs": 1}), data, seeds=[1])
    print(hashlib.sha256(b"".join(np.asarray(each).tobytes() for each in
          jax.tree.leaves(result.snapshot().states))).hexdigest())
"""
DOCUMENTS = ("ch1-100-hidden", "ch3-momentum", "ch6-relu", "ch6-dropout")


def test_flags_that_the_user_has_set_stay() -> None:
    found = portable_flags("--xla_cpu_max_isa=SSE4_2 --xla_dump_to=here").split()
    assert found[:2] == ["--xla_cpu_max_isa=SSE4_2", "--xla_dump_to=here"]
    assert {flag.partition("=")[0] for flag in found} >= PORTABLE.keys()
    assert portable_flags(" ".join(found)).split() == found


def _operands(*shapes: tuple[int, int]) -> list[jax.Array]:
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.standard_normal(shape, np.float32)) for shape in shapes]


PRODUCTS = {
    "times": (times, lambda left, right: left @ right, ((5, 7), (7, 3))),
    "times_transposed": (times_transposed, lambda x, weight: x @ weight.T, ((5, 7), (3, 7))),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_have_the_derivatives_of_products(name: str) -> None:
    product, plain, shapes = PRODUCTS[name]
    operands = _operands(*shapes)
    np.testing.assert_allclose(product(*operands), plain(*operands), rtol=1e-5, atol=1e-6)
    check_grads(jax.jit(product), operands, order=2, modes=("fwd", "rev"), rtol=1e-2)
    for place in (0, 1):  # The other one is constant.
        found, expected = (
            jax.grad(lambda *both, f=function: jnp.sum(jnp.sin(f(*both))), argnums=place)(*operands)
            for function in (product, plain)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", PRODUCTS)
def test_no_product_of_a_gradient_has_its_left_matrix_to_be_transposed(name: str) -> None:
    product, plain, shapes = PRODUCTS[name]

    def contracted(function) -> list[str]:
        gradient = jax.grad(lambda *both: jnp.sum(jnp.sin(function(*both))), argnums=(0, 1))
        text = jax.jit(gradient).lower(*_operands(*shapes)).compile().as_text()
        return re.findall(r" dot\(.*?lhs_contracting_dims=\{(\d)\}", text)

    assert "0" in contracted(plain)
    assert {*contracted(product)} == {"1"}


@pytest.mark.slow
def test_another_processor_trains_with_the_same_bits(tmp_path: Path) -> None:
    if sys.platform != "linux" or "cpuid_fault" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("needs a processor that lets cpuid fault, on Linux, to pretend to be another")
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    library = tmp_path / "other_processor.so"
    source = ROOT / "tests/other_processor.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", source, "-o", library], check=True)

    def train(**settings: str) -> list[str]:
        environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "1", **settings}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        command = [sys.executable, "-c", TRAIN, *DOCUMENTS]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, check=True, capture_output=True, text=True
        )
        return done.stdout.split()

    own = train()
    assert len(own) == len(DOCUMENTS)
    for kib in ("32", "64"):
        assert train(LD_PRELOAD=str(library), NNDL_CACHE_KIB=kib) == own
    # Without the flags this processor is told apart from that one, so that the test could fail.
    native = "--xla_cpu_enable_platform_dependent_math=true"
    other = train(LD_PRELOAD=str(library), NNDL_CACHE_KIB="32", XLA_FLAGS=native)
    assert train(XLA_FLAGS=native) != other

"""Products of matrices whose gradients a CPU works out the same way on every processor.

XLA hands a product to YNNPACK, which sums in one order on all processors, unless its left matrix is
to be transposed; then to Eigen, which cuts sums into pieces by the size of the processor's cache.
On a CPU the matrix on the left of a gradient is therefore transposed first, at no cost that could
be measured. The numbers are the same but for roundings.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

Matrix = Float[Array, "_ _"]
Tangent = Matrix | SymbolicZero


@jax.custom_jvp
def times_transposed(
    inputs: Float[Array, "rows inner"], weight: Float[Array, "columns inner"]
) -> Float[Array, "rows columns"]:
    """`inputs @ weight.T`."""
    return inputs @ weight.T


@jax.custom_jvp
def times(
    left: Float[Array, "rows inner"], right: Float[Array, "inner columns"]
) -> Float[Array, "rows columns"]:
    """`left @ right`."""
    return left @ right


def _times_transposed_jvp(
    primals: tuple[Matrix, Matrix], tangents: tuple[Tangent, Tangent]
) -> tuple[Matrix, Matrix]:
    (inputs, weight), (by_inputs, by_weight) = primals, tangents
    product = inputs @ weight.T

    def apart(changes: Matrix) -> Matrix:
        return jax.lax.optimization_barrier(changes @ inputs.T).T

    changed = _added(
        _of(by_inputs, lambda changes: changes @ weight.T),
        _of(by_weight, lambda changes: _on_cpu(apart, lambda change: inputs @ change.T, changes)),
    )
    return product, jnp.zeros_like(product) if changed is None else changed


def _times_jvp(
    primals: tuple[Matrix, Matrix], tangents: tuple[Tangent, Tangent]
) -> tuple[Matrix, Matrix]:
    (left, right), (by_left, by_right) = primals, tangents
    product = left @ right

    def apart(changes: Matrix) -> Matrix:
        turned = jax.lax.optimization_barrier(left.T)
        return jax.lax.dot_general(turned, changes, (((0,), (0,)), ((), ())))

    changed = _added(
        _of(by_left, lambda changes: changes @ right),
        _of(by_right, lambda changes: _on_cpu(apart, lambda change: left @ change, changes)),
    )
    return product, jnp.zeros_like(product) if changed is None else changed


times_transposed.defjvp(_times_transposed_jvp, symbolic_zeros=True)
times.defjvp(_times_jvp, symbolic_zeros=True)


def _of(tangent: Tangent, change: Callable[[Matrix], Matrix]) -> Matrix | None:
    return None if isinstance(tangent, SymbolicZero) else change(tangent)


def _added(first: Matrix | None, second: Matrix | None) -> Matrix | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


def _on_cpu(
    on_cpu: Callable[[Matrix], Matrix], elsewhere: Callable[[Matrix], Matrix], changes: Matrix
) -> Matrix:
    return jax.lax.platform_dependent(changes, cpu=on_cpu, default=elsewhere)

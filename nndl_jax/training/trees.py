"""Names for the leaves of a tree of parameters or of a state, by which files hold them."""

from typing import TypeVar

import jax
import numpy as np

from nndl_jax.data.array_files import Arrays

Tree = TypeVar("Tree")


def name_leaves(tree: object) -> dict[str, np.ndarray]:
    """The arrays of a tree by the names of their places."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(path): np.ascontiguousarray(leaf) for path, leaf in leaves}


def describe_leaves(tree: object) -> dict[str, str]:
    """Type and shape of each leaf, which may be abstract, by the name of its place."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {_name(path): f"{leaf.dtype} {leaf.shape}" for path, leaf in leaves}


def fill(like: Tree, arrays: Arrays) -> Tree:
    """A tree of the given structure with arrays by the names of their places."""
    return jax.tree_util.tree_map_with_path(lambda path, _: arrays[_name(path)], like)


def _name(path: jax.tree_util.KeyPath) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value")

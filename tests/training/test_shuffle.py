"""Random orders: each is one, and all are equally likely."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nndl_jax.training.shuffle import permutation
from nndl_jax.training.state import RunKeys

KEY = jax.random.key(0)


# 2^16 places are counted in 16 bits, and one more in 17.
@pytest.mark.parametrize("num_items", [1, 2, 10, 1000, 65_536, 65_537, 100_000])
def test_order_holds_every_item_once(num_items):
    order = permutation(KEY, num_items)
    np.testing.assert_array_equal(np.sort(order), np.arange(num_items, dtype=np.int32), strict=True)


def orders_of(num_items, num_draws):
    """Many orders, of one key each."""
    return np.asarray(
        jax.vmap(lambda key: permutation(key, num_items))(jax.random.split(KEY, num_draws))
    )


def test_all_orders_of_four_are_equally_likely():
    _, counts = np.unique(orders_of(4, 24_000), axis=0, return_counts=True)
    assert len(counts) == 24
    # 1,000 of each are expected; one fair shuffle in a thousand fails.
    assert stats.chisquare(counts).pvalue > 1e-3


def test_every_item_is_as_likely_in_every_place():
    orders = orders_of(10, 5_000)
    counts = np.stack([np.bincount(orders[:, place], minlength=10) for place in range(10)])
    # 500 of each are expected. As rows and columns both sum to 5,000, 9/10 of the usual statistic
    # follows a chi-square law of 9 x 9 degrees of freedom.
    statistic = 0.9 * ((counts - 500) ** 2 / 500).sum()
    assert stats.chi2.sf(statistic, 81) > 1e-3


def test_long_order_is_not_sorted_by_halves():
    # Correlation of item with place: its standard deviation is 1/sqrt(n) = 0.0032.
    order = np.asarray(permutation(KEY, 100_000))
    assert abs(np.corrcoef(order, np.arange(100_000))[0, 1]) < 5 * 0.0032


def test_one_key_gives_one_order():
    assert permutation(KEY, 1000).tolist() == permutation(KEY, 1000).tolist()


def test_two_keys_give_two_orders():
    orders = orders_of(1000, 2)
    # Two random orders agree in one place on average.
    assert (orders[0] == orders[1]).sum() < 10


def test_two_epochs_have_two_orders():
    key = RunKeys.from_seed(jnp.uint32(0)).shuffle
    first, second = (permutation(jax.random.fold_in(key, epoch), 1000) for epoch in (0, 1))
    assert (first == second).sum() < 10


def test_seeds_have_their_own_streams():
    streams = [RunKeys.from_seed(jnp.uint32(seed)) for seed in range(3)]
    words = {np.asarray(jax.random.key_data(key)).tobytes() for keys in streams for key in keys}
    # Each of the three seeds draws weights, orders, dropped neurons and distortions.
    assert len(words) == 12

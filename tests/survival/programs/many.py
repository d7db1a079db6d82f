"""Five hundred tests, each of which opens what it emits with, and leaves it."""

import os

import product
import pytest


@pytest.mark.parametrize("n", range(int(os.environ["SURVIVAL_COUNT"])))
def test_one_of_many(n):
    product.begin(f"one-{n}")
    product.emit(n)

"""A pool of processes, whose end is `with`'s: SIGTERM to each."""

import multiprocessing
import sys

import product


def step(n):
    product.emit_all(range(n * 10, n * 10 + 10))


if __name__ == "__main__":
    product.begin()
    with multiprocessing.get_context(sys.argv[1]).Pool(4) as pool:
        pool.map(step, range(product.COUNT // 10))

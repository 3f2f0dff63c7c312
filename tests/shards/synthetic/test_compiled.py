import numpy as np

from shards.synthetic.compiled import compiled


@compiled
def _total(values: np.ndarray) -> float:
    total = 0.0
    for i in range(values.shape[0]):
        total += values[i]
    return total


def test_compiled_function_computes_the_same() -> None:
    assert _total(np.arange(5.0)) == 10.0

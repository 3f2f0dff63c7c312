"""One file per loss: pure functions over local tensors, one value per clip."""

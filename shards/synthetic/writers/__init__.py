"""How a generated data set is laid out: one file per data set, as `shards.layouts` has for reading."""

"""One file per way of learning AUs from labels."""

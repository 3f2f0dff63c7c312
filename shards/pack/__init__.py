"""Video files to shards: decode, detect, track, align, encode, commit."""

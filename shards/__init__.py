"""Face video as tar shards: generated, packed, verified, planned and streamed."""

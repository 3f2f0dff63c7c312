"""Self-supervised pretraining of face-behaviour encoders on streamed shards."""

"""Errors that a user can act on: each message says what was found, what was wanted and what to do."""


class ShardError(Exception):
    """Bad input, a damaged shard set or an object store that does not answer."""


class ManifestMismatchError(ShardError):
    """A stored state or set does not belong to the one at hand."""


class NotFoundError(ShardError):
    """A file, object or bucket that is not there."""

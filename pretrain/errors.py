"""Errors of a run that a user can act on; bad configs are `config.ConfigError`."""


class TrainingError(Exception):
    """A run that cannot go on; the message says why and what to do."""


class CheckpointError(TrainingError):
    """A checkpoint that may not be written or cannot be trusted."""


class StoppedError(TrainingError):
    """The run was asked to end and has saved where it stands."""


class NotFiniteError(TrainingError):
    """Training diverged."""

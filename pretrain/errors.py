"""Errors of a run that a user can act on; bad configs are `config.ConfigError`."""


class TrainingError(Exception):
    """A run that cannot go on; the message says why and what to do."""


class CheckpointError(TrainingError):
    """A checkpoint that may not be written or cannot be trusted."""


class FencedError(CheckpointError):
    """A newer attempt at the run took over, and this one may not write any more."""


class StoppedError(TrainingError):
    """The run was asked to end and has saved where it stands."""


class TrackingError(TrainingError):
    """Metrics that cannot be kept."""


class NotFiniteError(TrainingError):
    """Training diverged."""

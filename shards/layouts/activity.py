"""What people were asked to do, for sets whose videos are named by it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Activity:
    """A task that was chosen to elicit an emotion; it says nothing about what a face does in a frame."""

    task: str
    """A sentence about the person."""
    emotion: str

    @property
    def text(self) -> str:
        return f"{self.task} The target emotion is {self.emotion}."

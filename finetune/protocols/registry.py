"""The protocols by name: one for each file in `data/`; and which of them a job takes."""

from dataclasses import dataclass
from importlib.resources import files

from finetune.protocols.protocol import Protocol, parse_protocol

FOLDER = files("finetune.protocols") / "data"
PROTOCOLS: dict[str, Protocol] = {
    name: parse_protocol(name, file.read_text())
    for file in sorted(FOLDER.iterdir(), key=lambda file: file.name)
    if (name := file.name.removesuffix(".yaml")) != file.name
}


@dataclass(frozen=True)
class ProtocolConfig:
    """Which protocol, which fold, how many people validate."""

    name: str = "disfa"
    fold: int = 3
    """1-based; of cross-validation, fold k tests part k."""
    validation_share: float = 0.2
    """Share of the training people that choose epoch and threshold and train nothing; at least one person."""
    test_people: tuple[str, ...] = ()
    """Who is tested, of a data set whose official list is not public (GFT); all others train."""

    def __post_init__(self) -> None:
        if self.name not in PROTOCOLS:
            raise ValueError(f"protocol.name={self.name!r} is unknown; known: {', '.join(sorted(PROTOCOLS))}")
        protocol = self.protocol
        folds = len(protocol.folds)
        if not 1 <= self.fold <= folds:
            which = "fold 1 alone" if folds == 1 else f"folds 1 to {folds}"
            raise ValueError(f"protocol.fold={self.fold} does not exist; {self.name} has {which}")
        if not 0 < self.validation_share < 1:
            raise ValueError(f"protocol.validation_share={self.validation_share} must lie between 0 and 1")
        if self.test_people and not protocol.test_people_may_be_given:
            raise ValueError(
                f"protocol.test_people is given, and who is tested in {self.name} is known; leave it out"
            )

    @property
    def protocol(self) -> Protocol:
        """The protocol of this name."""
        return PROTOCOLS[self.name]

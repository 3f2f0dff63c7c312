"""Objectives by name; each one's config is the section of `PretrainConfig` with that name."""

from pretrain.objectives.clp import Clp
from pretrain.objectives.moco import Moco
from pretrain.objectives.simclr import Simclr

OBJECTIVES: dict[str, type[Clp] | type[Simclr] | type[Moco]] = {"clp": Clp, "simclr": Simclr, "moco": Moco}

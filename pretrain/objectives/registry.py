"""Objectives by name; each one's config is the section of `PretrainConfig` with that name."""

from pretrain.objectives.clef import Clef
from pretrain.objectives.clp import Clp
from pretrain.objectives.cpc import Cpc
from pretrain.objectives.moco import Moco
from pretrain.objectives.simclr import Simclr

OBJECTIVES: dict[str, type[Clp] | type[Simclr] | type[Moco] | type[Cpc] | type[Clef]] = {
    "clp": Clp,
    "simclr": Simclr,
    "moco": Moco,
    "cpc": Cpc,
    "clef": Clef,
}

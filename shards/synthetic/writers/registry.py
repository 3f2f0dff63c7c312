"""Writers by name."""

from shards.synthetic.writers.aff_wild2 import AffWild2Writer
from shards.synthetic.writers.affectnet import AffectnetWriter
from shards.synthetic.writers.au_lists import Bp4dListsWriter, DisfaListsWriter
from shards.synthetic.writers.bp4d import Bp4dWriter
from shards.synthetic.writers.bp4d_plus import Bp4dPlusWriter
from shards.synthetic.writers.disfa import DisfaWriter
from shards.synthetic.writers.ferplus import FerplusWriter
from shards.synthetic.writers.gft import GftWriter
from shards.synthetic.writers.rafdb import RafdbWriter
from shards.synthetic.writers.voxceleb import VoxcelebWriter
from shards.synthetic.writers.writer import Writer

WRITERS: dict[str, Writer] = {
    writer.name: writer
    for writer in (
        VoxcelebWriter(),
        DisfaWriter(),
        Bp4dWriter(),
        Bp4dPlusWriter(),
        GftWriter(),
        AffWild2Writer(),
        RafdbWriter(),
        FerplusWriter(),
        AffectnetWriter(),
        Bp4dListsWriter(),
        DisfaListsWriter(),
    )
}

"""Writers by name."""

from shards.synthetic.writers.bp4d import Bp4dWriter
from shards.synthetic.writers.disfa import DisfaWriter
from shards.synthetic.writers.voxceleb import VoxcelebWriter
from shards.synthetic.writers.writer import Writer

WRITERS: dict[str, Writer] = {
    writer.name: writer for writer in (VoxcelebWriter(), DisfaWriter(), Bp4dWriter())
}

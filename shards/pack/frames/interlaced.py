"""Interlaced pictures made whole: two moments a comb apart become one, the first, by FFmpeg's bwdif.

A face that moves has a comb's teeth for edges otherwise. Only pictures flagged as interlaced pass; a video
without them never builds the filter.
"""

from collections.abc import Iterator
from fractions import Fraction

import av
import av.error
from av.filter import Graph

UNTIMED = Fraction(1, 1000)


class Deinterlacer:
    """Gives one picture for each, one later where it filters: a field is mended from both its neighbours.

    Pictures of less than 3 pixels a side are an error of FFmpeg.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._form: tuple[str, int, int] | None = None

    def mend(self, picture: av.VideoFrame) -> Iterator[av.VideoFrame]:
        """The pictures that are ready now, in order."""
        if self._graph is None and not picture.interlaced_frame:
            yield picture
            return
        form = (picture.format.name, picture.width, picture.height)
        if form != self._form:
            yield from self.rest()
            self._graph, self._form = _bwdif(picture), form
        if self._graph is not None:
            self._graph.vpush(picture)
            yield from _ready(self._graph)

    def rest(self) -> Iterator[av.VideoFrame]:
        """What is held back, at the end."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from _ready(self._graph)
        self._graph, self._form = None, None


def _bwdif(picture: av.VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=picture.width,
        height=picture.height,
        format=picture.format,
        time_base=picture.time_base or UNTIMED,
    )
    bwdif = graph.add("bwdif", "mode=send_frame:deint=interlaced")
    graph.link_nodes(source, bwdif, graph.add("buffersink")).configure()
    return graph


def _ready(graph: Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            picture = graph.vpull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        yield picture

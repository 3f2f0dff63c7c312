"""Layouts by name."""

import difflib
from pathlib import Path

from shards.errors import ShardError
from shards.layouts.aff_wild2 import AffWild2Layout
from shards.layouts.affectnet import AffectnetLayout
from shards.layouts.au_lists import BP4D_LISTS, DISFA_LISTS
from shards.layouts.bp4d import Bp4dLayout
from shards.layouts.bp4d_plus import Bp4dPlusLayout
from shards.layouts.disfa import DisfaLayout
from shards.layouts.face_tracks import FaceTracksLayout
from shards.layouts.ferplus import FerplusLayout
from shards.layouts.folder import FolderLayout
from shards.layouts.gft import GftLayout
from shards.layouts.layout import Layout, Listing
from shards.layouts.rafdb import RafdbLayout
from shards.layouts.voxceleb import VoxcelebLayout

LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        FolderLayout(),
        VoxcelebLayout(),
        FaceTracksLayout(),
        DisfaLayout(),
        Bp4dLayout(),
        Bp4dPlusLayout(),
        GftLayout(),
        AffWild2Layout(),
        RafdbLayout(),
        FerplusLayout(),
        AffectnetLayout(),
        BP4D_LISTS,
        DISFA_LISTS,
    )
}


def get_layout(name: str) -> Layout:
    """The layout of this name.

    Raises:
        ShardError: there is none; names the nearest.
    """
    if name not in LAYOUTS:
        near = difflib.get_close_matches(name, LAYOUTS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ShardError(f"there is no layout {name!r}{hint} There are: {', '.join(sorted(LAYOUTS))}")
    return LAYOUTS[name]


def list_sources(layout: Layout, root: Path) -> Listing:
    """The sources under `root`, checked.

    Raises:
        ShardError: `root` is no folder, has nothing in it, or has two videos of one id.
    """
    if not root.is_dir():
        raise ShardError(f"{root} is not a folder; give the folder that holds the {layout.name} data set")
    listing = layout.list_sources(root)
    seen: dict[str, Path] = {}
    for source in listing.sources:
        if source.video_id in seen:
            raise ShardError(
                f"two videos have the id {source.video_id!r}: {seen[source.video_id]} and {source.path}; "
                "remove or rename one"
            )
        seen[source.video_id] = source.path
    return Listing(sorted(listing.sources, key=lambda source: source.video_id), listing.failures)

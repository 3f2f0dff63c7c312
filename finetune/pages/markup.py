"""Pieces of HTML that several sections share: figures, pictures, legends, tables."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Section:
    """A part of the page; the list of contents links to `name` by `title`."""

    name: str
    title: str
    parts: Sequence[str]

    @property
    def html(self) -> str:
        body = "\n".join(self.parts)
        return f"<section id='{self.name}'>\n<h2>{escape(self.title)}</h2>\n{body}\n</section>"


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    return f"<p class='{kind}'>{escape(text)}</p>" if kind else f"<p>{escape(text)}</p>"


def figure(title: str, *parts: str, note: str = "") -> str:
    """A titled figure; `note` is plain text below it."""
    below = f"<p class='faint'>{escape(note)}</p>" if note else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{''.join(parts)}{below}</figure>"


def grid(*parts: str) -> str:
    """Parts side by side where there is room, one below the other on a phone."""
    return f"<div class='grid'>{''.join(parts)}</div>"


def legend(*keys: tuple[str, str]) -> str:
    """Colours and what they stand for."""
    return (
        "<p class='legend'>"
        + "".join(
            f"<span><span class='key' style='background:{colour}'></span>{escape(name)}</span>"
            for name, colour in keys
        )
        + "</p>"
    )


def picture(jpeg: bytes, shows: str, caption: str = "", size: int = 96, kind: str = "") -> str:
    """A JPEG file inside the page.

    Args:
        jpeg: the file.
        shows: what it shows, for those who cannot see it.
        caption: plain text below it.
        size: its width and height in pixels.
        kind: a class of the page's style.
    """
    data = base64.b64encode(jpeg).decode()
    image = (
        f"<img width='{size}' height='{size}' alt='{escape(shows, quote=True)}' "
        f"src='data:image/jpeg;base64,{data}'>"
    )
    below = f"<span>{escape(caption)}</span>" if caption else ""
    return f"<div class='shot {kind}'>{image}{below}</div>"


def strip(pictures: Sequence[str], columns: int, kind: str = "") -> str:
    """Pictures in rows of `columns`."""
    return f"<div class='strip {kind}' style='--columns:{columns}'>{''.join(pictures)}</div>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], kinds: Sequence[str] = ()) -> str:
    """A table that scrolls by itself where the page is narrow; cells are HTML, the first is a label."""
    kinds = kinds or [""] * len(rows)
    lines = [f"<tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>"]
    lines += [
        f"<tr class='{kind}'>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
        for kind, row in zip(kinds, rows, strict=True)
    ]
    return f"<div class='scroll'><table>{''.join(lines)}</table></div>"


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and values, one a line."""
    return (
        "<dl>"
        + "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in pairs)
        + "</dl>"
    )


def folded(title: str, *parts: str) -> str:
    """Parts that a reader unfolds."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"

"""The report's frame: one HTML file without network or scripts, readable on a phone, in light and dark."""

from collections.abc import Sequence
from html import escape

from finetune.pages.markup import Section

STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #fff; --faint: #5d6b7c; --rule: #d9dfe6;
  --one: #1f6fb4; --two: #c96f0a; --three: #3a8f5c; --four: #8a57b0;
  --five: #b03a68; --six: #7a7a2a; --base: #3c4654; --note: #fff6df; --card: #f5f7fa;
  --good: #1d7a46; --bad: #b3362b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6ebf1; --paper: #14181e; --faint: #9aa7b6;
  --rule: #313a45; --one: #5aa7e8; --two: #f0a848; --three: #6cc98f; --four: #bb8fe0;
  --five: #e87fa8; --six: #c4c46a; --base: #c3ccd6; --note: #3a3018; --card: #1c222a;
  --good: #5fc48c; --bad: #f08a80; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; padding: 1.2rem 1rem 3rem; max-width: 58rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .6rem; }
h2 { font-size: 1.3rem; margin: 2.6rem 0 .4rem; padding-top: .8rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 1.6rem 0 .3rem; }
p { margin: .5rem 0; max-width: 46rem; }
.note { background: var(--note); border-radius: 6px; padding: .6rem .8rem; max-width: none; }
.faint { color: var(--faint); font-size: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .3rem .9rem; margin: 1rem 0; }
a, summary { color: var(--one); } summary { cursor: pointer; padding: .4rem 0; }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; min-width: min(100%, 30rem); font-size: .92rem; }
th, td { text-align: right; padding: .28rem .5rem; border-bottom: 1px solid var(--rule);
  white-space: nowrap; font-variant-numeric: tabular-nums; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
tr.mean td { font-weight: 650; } td small { color: var(--faint); font-weight: 400; }
@media (max-width: 30rem) { td small { display: block; } th, td { padding: .28rem .3rem; } }
.grid { display: grid; gap: .6rem 1.4rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
figure { margin: .6rem 0; min-width: 0; }
figcaption { font-weight: 600; font-size: .95rem; margin-bottom: .2rem; }
svg { width: 100%; max-width: 30rem; height: auto; display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg text.axis { fill: var(--faint); font-size: 11px; }
svg text.axis, svg text.letter { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
svg text.letter { font-weight: 700; }
svg polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
svg .grid-line { stroke: var(--rule); } svg .level { stroke: var(--base); stroke-dasharray: 5 4; }
svg .mark { fill: var(--paper); stroke: var(--ink); stroke-width: 1.5; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; color: var(--faint); font-size: .9rem;
  margin: .2rem 0; }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em; }
.parts { display: flex; width: 9rem; height: .8rem; }
.strip { display: grid; gap: .35rem; margin: .4rem 0;
  grid-template-columns: repeat(var(--columns), minmax(0, 7rem)); }
.shot img { width: 100%; height: auto; display: block; border-radius: 4px; border: 3px solid transparent; }
.shot span { display: block; font-size: .74rem; line-height: 1.25; color: var(--faint);
  padding: .1rem .15rem; }
.shot.query img { border-color: var(--one); } .shot.hit span { color: var(--good); }
.flow { list-style: none; padding: 0; margin: .8rem 0; counter-reset: stage; display: grid; gap: .7rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 16.5rem), 1fr)); }
.flow > li { background: var(--card); border-radius: 8px; padding: .7rem .9rem;
  counter-increment: stage; min-width: 0; }
.flow b::before { content: counter(stage) "  "; color: var(--one); }
dl { margin: .3rem 0 0; font-size: .92rem; }
dl > div { display: flex; gap: .8rem; justify-content: space-between;
  border-top: 1px solid var(--rule); padding: .15rem 0; }
dt { color: var(--faint); }
dd { margin: 0; text-align: right; min-width: 0; font-variant-numeric: tabular-nums; }
.claims { list-style: none; padding: 0; display: grid; gap: .6rem 1.4rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
.claims li { padding: .1rem 0 .1rem .8rem; border-left: 4px solid var(--rule); }
.claims li.shown { border-color: var(--good); } .claims li.against { border-color: var(--bad); }
.claims strong { display: block; font-size: .8rem; text-transform: uppercase; letter-spacing: .04em;
  color: var(--faint); }
.shown strong { color: var(--good); } .against strong { color: var(--bad); }
"""
"""Colours come from variables, so that one page serves light and dark."""


def html_page(title: str, note: str, sections: Sequence[Section]) -> str:
    """The whole document; `note` is plain text that every reader must know first."""
    links = "".join(f"<a href='#{part.name}'>{escape(part.title)}</a>" for part in sections)
    return "\n".join(
        [
            "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>",
            "<meta name='viewport' content='width=device-width, initial-scale=1'>",
            # An empty icon: a browser asks the server for one otherwise.
            "<link rel='icon' href='data:,'>",
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
            f"<h1>{escape(title)}</h1>",
            f"<p class='note'>{escape(note)}</p>",
            f"<nav>{links}</nav>",
            *(part.html for part in sections),
            "</body></html>\n",
        ]
    )

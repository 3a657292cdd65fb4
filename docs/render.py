"""Fills equations and settings into the pages beside it from the code: `python docs/render.py`.

A page marks a place with `<!-- equations: feel -->` or `<!-- settings: feel/thumos14 -->`, and its
end with `<!-- end -->`. A test fails if a page is not as this would write it, so that pages cannot
drift from the code.
"""

import re
from pathlib import Path

from utal.methods.catalogue import EQUATIONS, METHODS
from utal.showing import settings_of

DOCS = Path(__file__).parent
PLACE = re.compile(r"<!-- (equations|settings): (\S+) -->\n(?:.*?<!-- end -->\n)?", re.DOTALL)


def equations(paper: str) -> str:
    """The paper's equations with the code that computes each, as Markdown."""
    lines = ["| equation | code |", "|---|---|"]
    for equation, code in EQUATIONS[paper].items():
        module = code.__module__
        name = f"{module.removeprefix('utal.')}.{code.__qualname__}"
        lines.append(f"| {equation} | [`{name}`](../{module.replace('.', '/')}.py) |")
    return "\n".join(lines) + "\n"


def settings(name: str) -> str:
    """The parts of a named method with their settings."""
    return "\n".join(["```", *settings_of(METHODS[name]()), "```"]) + "\n"


def filled(text: str) -> str:
    """The page with all its places as the code has them."""
    write = {"equations": equations, "settings": settings}

    def replaced(found: re.Match[str]) -> str:
        kind, name = found[1], found[2]
        return f"<!-- {kind}: {name} -->\n\n{write[kind](name)}\n<!-- end -->\n"

    return PLACE.sub(replaced, text)


if __name__ == "__main__":
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(filled(page.read_text("utf-8")), "utf-8")

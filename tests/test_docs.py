"""The pages of the methods say what the code does."""

import re
import runpy
from pathlib import Path

import pytest

from utal.methods.catalogue import EQUATIONS, METHODS, PAPERS

DOCS = Path(__file__).parent.parent / "docs"
filled = runpy.run_path(str(DOCS / "render.py"))["filled"]
PAGES = sorted(DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_as_the_code_has_them(page: Path) -> None:
    text = page.read_text("utf-8")
    assert filled(text) == text, "run python docs/render.py"


def test_every_paper_has_its_table() -> None:
    text = "".join(page.read_text("utf-8") for page in PAGES)
    told = re.findall(r"^<!-- equations: (\S+) -->$", text, re.MULTILINE)
    assert sorted(told) == sorted(paper for paper in EQUATIONS if "+" not in paper)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_methods_exist(page: Path) -> None:
    papers = "|".join(map(re.escape, PAPERS))
    named = re.findall(rf"`((?:{papers})/[\w.-]+)`", page.read_text("utf-8"))
    assert set(named) <= set(METHODS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / link).exists(), link

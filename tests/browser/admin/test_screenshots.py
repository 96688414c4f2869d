"""Pictures of the operator's page, for the docs: CITEBOX_SCREENSHOTS=1 pytest tests/browser/admin."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from .conftest import open_section

FOLDER = Path(__file__).parents[3] / "docs" / "screenshots"
WANTED = os.environ.get("CITEBOX_SCREENSHOTS") == "1"
SECTIONS = {
    "overview": "Overview",
    "documents": "Documents",
    "questions": "Questions",
    "gaps": "Content gaps",
    "feedback": "Feedback",
    "usage": "Usage",
}
SHIPPED = ("overview", "documents", "gaps", "usage")


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_is_shown_without_scrolling_sideways(page: Page, name: str) -> None:
    open_section(page, name, SECTIONS[name])
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if not WANTED or name not in SHIPPED:
        return
    FOLDER.mkdir(exist_ok=True)
    # Below lies where the data of the test is.
    height = 640 if name == "overview" else 900
    page.screenshot(path=FOLDER / f"admin-{name}.png", clip={"x": 0, "y": 0, "width": 1280, "height": height})


@pytest.mark.parametrize(
    "context",
    [
        {"viewport": {"width": 390, "height": 844}},
        {"viewport": {"width": 640, "height": 450}},  # as 1280 at 200 %
        {"color_scheme": "dark"},
    ],
    indirect=True,
    ids=["phone", "zoomed", "dark"],
)
@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_fits_small_and_dark_screens(page: Page, name: str) -> None:
    open_section(page, name, SECTIONS[name])
    expect(page.locator("#problem")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")

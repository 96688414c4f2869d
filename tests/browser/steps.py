"""What a reader does and sees, in the words of the tests."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def ask(page: Page, question: str) -> None:
    page.locator("#question").fill(question)
    page.keyboard.press("Enter")


def see_state(page: Page, state: str) -> None:
    """Wait for `answered`, `unanswered`, `incomplete`, `failed` or `busy`."""
    expect(page.locator("#answer")).to_have_attribute("data-state", state)


def ask_and_wait(page: Page, question: str, state: str = "answered") -> None:
    ask(page, question)
    expect(page.locator("#asked")).to_have_text(f"Answer to: {question}")
    see_state(page, state)


def marked(page: Page) -> str:
    """The text under the marker pen in the source panel."""
    expect(page.locator("#stored mark").first).to_be_visible()
    return "".join(page.locator("#stored mark").all_text_contents())


def is_in_the_middle(page: Page) -> bool:
    """Whether the mark stands in the middle half of the panel, once the scrolling has come to rest."""
    page.wait_for_function(
        """() => {
          const body = document.querySelector('#stored').getBoundingClientRect();
          const mark = document.querySelector('#stored mark').getBoundingClientRect();
          const middle = (mark.top + mark.bottom) / 2;
          return middle > body.top + body.height / 4 && middle < body.bottom - body.height / 4;
        }"""
    )
    return True

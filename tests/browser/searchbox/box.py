"""The box as a reader uses it, in the words of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

SEARCHBOX = Path(__file__).parents[3] / "rag" / "searchbox"
AXE = SEARCHBOX / "node_modules" / "axe-core" / "axe.min.js"

WATCH_SHIFTS = """() => {
  window.shifts = [];
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const nodes = entry.sources.map(({ node }) => node?.className ?? "");
      window.shifts.push({ value: entry.value, nodes });
    }
  }).observe({ type: "layout-shift" });
}"""
CHECK = """async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  const where = ({ target }) => target.flat().join(" ");
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(where).join(", ")}`);
}"""


class Box:
    """One `<rag-search>`, the first of the page unless said otherwise."""

    def __init__(self, page: Page, selector: str = "rag-search >> nth=0") -> None:
        self.page = page
        self.element = page.locator(selector)
        self.field = self.element.get_by_role("combobox")
        self.trigger = self.element.locator(".trigger")
        self.dialog = self.element.locator("dialog")
        self.panel = self.element.locator(".panel")
        self.options = self.element.get_by_role("option")
        self.hits = self.element.locator(".hit")
        self.turns = self.element.locator(".turn")
        self.turn = self.turns.last
        self.prose = self.turn.locator(".prose")
        self.markers = self.turn.locator(".marker")
        self.status = self.turn.locator(".state")
        self.card = self.element.locator(".card")
        self.trouble = self.element.locator(".trouble")
        self.announced = self.element.locator("[role=status]")

    def button(self, name: str) -> Locator:
        return self.element.get_by_role("button", name=name, exact=True)

    def open(self) -> None:
        self.trigger.click()
        expect(self.field).to_be_focused()

    def ask(self, question: str) -> None:
        self.field.fill(question)
        self.page.keyboard.press("Control+Enter")

    def see(self, phase: str) -> None:
        """Wait until the last question has come so far."""
        expect(self.turn).to_have_attribute("data-phase", phase)

    def ask_and_see(self, question: str, phase: str = "done") -> None:
        asked = self.turns.count()
        self.ask(question)
        expect(self.turns).to_have_count(asked + 1)
        self.see(phase)

    def check(self) -> None:
        """axe finds nothing wrong with the page as it is now."""
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate(AXE.read_text(encoding="utf-8"))
        violations = self.page.evaluate(CHECK)
        assert not violations, "\n".join(violations)

    def listen(self, *events: str) -> None:
        """Notes the events that reach the document."""
        script = """(names) => {
          window.heard = [];
          for (const name of names) {
            document.addEventListener(name, ({ detail }) => window.heard.push([name, detail]));
          }
        }"""
        self.page.evaluate(script, list(events))

    @property
    def heard(self) -> list[tuple[str, dict[str, Any]]]:
        return [(name, detail) for name, detail in self.page.evaluate("window.heard")]

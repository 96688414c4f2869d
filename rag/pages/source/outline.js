/** The headings beside the text, with the one that the reader is in. */

import { byId, element } from "../shared/dom.js";

const BESIDE_THE_TEXT = matchMedia("(min-width: 1200px)");

export class Outline {
  /** `go` is called with the number of a heading. */
  constructor({ go }) {
    this.nav = byId("outline");
    this.list = this.nav.querySelector("ol");
    this.details = this.nav.querySelector("details");
    this.current = null;
    this.list.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      if (!BESIDE_THE_TEXT.matches) this.details.open = false;
      go(Number(button.dataset.heading));
    });
    const settle = () => {
      this.details.open = BESIDE_THE_TEXT.matches;
    };
    BESIDE_THE_TEXT.addEventListener("change", settle);
    settle();
  }

  show(headings) {
    this.current = null;
    this.nav.hidden = headings.length < 2;
    document.body.classList.toggle("outlined", headings.length >= 2);
    this.items = headings.map(({ title, depth }, number) => {
      const button = element("button", { type: "button", dir: "auto" }, title);
      button.dataset.heading = number;
      const item = element("li", {}, button);
      item.style.setProperty("--depth", String(Math.min(depth, 5) - 1));
      return item;
    });
    this.list.replaceChildren(...this.items);
  }

  /** Say which heading the reader is under; -1: before the first. */
  follow(number) {
    const item = this.items?.[number] ?? null;
    if (item === this.current) return;
    this.current?.firstChild.removeAttribute("aria-current");
    this.current = item;
    if (!item) return;
    item.firstChild.setAttribute("aria-current", "location");
    // scrollIntoView would move the window as well.
    const [box, within] = [item.getBoundingClientRect(), this.list.getBoundingClientRect()];
    if (box.top < within.top || box.bottom > within.bottom) {
      this.list.scrollTop += box.top - within.top - within.height / 3;
    }
  }
}

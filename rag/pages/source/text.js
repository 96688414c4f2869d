/** The stored text by pages and headings. Every character is there and in its place; only its layout is ours. */

import { element } from "../shared/dom.js";
import { codeUnits, sectionsOf } from "../home/stored.js";

const CHARACTERS_PER_LINE = 76;
const LINE_HEIGHT = 27;

/** Draws a source into `target`; `openPage` is called with a page's number when its divider is pressed. */
export class StoredText {
  constructor(target, source, openPage) {
    this.target = target;
    this.text = source.text;
    this.openPage = openPage;
    const points = [...source.headings, ...source.pages].map(({ start }) => start);
    const unitOf = codeUnits(this.text, points);
    this.pages = source.pages.map((page) => ({ number: page.number, start: unitOf(page.start) }));
    this.headings = nested(source.headings).map((one) => ({ ...one, start: unitOf(one.start) }));
    this.range = { start: 0, end: 0 };
    this.sections = this.cut();
    for (const section of this.sections) this.draw(section);
    target.replaceChildren(...this.sections.map(({ node }) => node));
  }

  /** Mark `[start, end)`, counted in code points, and no other range; the first mark, or null. */
  mark(start, end) {
    const unitOf = codeUnits(this.text, [start ?? 0, end ?? 0]);
    const before = this.range;
    this.range = {
      start: Math.min(unitOf(start ?? 0), this.text.length),
      end: Math.min(unitOf(end ?? 0), this.text.length),
    };
    for (const section of this.sections) {
      if (!touches(section, before) && !touches(section, this.range)) continue;
      const old = section.node;
      this.draw(section);
      old.replaceWith(section.node);
    }
    return this.target.querySelector("mark");
  }

  /** The words that are marked. */
  get marked() {
    return this.text.slice(this.range.start, this.range.end);
  }

  /** The element where a page begins, or null. */
  pageNode(number) {
    return this.sections.find((section) => section.divider && section.page === number)?.node ?? null;
  }

  /** The section that stands at a height of the window, the headings above it and its page. */
  at(height) {
    let [low, high] = [0, this.sections.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.sections[middle].node.getBoundingClientRect().top <= height) low = middle;
      else high = middle - 1;
    }
    const section = this.sections[low];
    const above = section.headings.filter(({ node }) => node.getBoundingClientRect().top <= height);
    return { page: section.page, heading: above.at(-1)?.number ?? section.headingBefore };
  }

  cut() {
    let [heading, page, last] = [0, undefined, -1];
    return sectionsOf(this.text, this.pages).map((piece) => {
      const headings = [];
      for (; heading < this.headings.length && this.headings[heading].start < piece.end; heading += 1) {
        headings.push({ ...this.headings[heading], number: heading });
      }
      page = piece.page ?? page;
      const section = { ...piece, page, divider: piece.page !== undefined, headings, headingBefore: last };
      last = headings.at(-1)?.number ?? last;
      return section;
    });
  }

  draw(section) {
    const { start, end, page, divider, headings } = section;
    const node = element("section");
    const lines = Math.ceil((end - start) / CHARACTERS_PER_LINE) + 1;
    node.style.setProperty("contain-intrinsic-block-size", `auto ${lines * LINE_HEIGHT}px`);
    if (divider) node.append(this.divider(page));
    let at = start;
    for (const heading of headings) {
      const lineEnd = this.text.indexOf("\n", heading.start);
      const after = lineEnd < 0 ? end : Math.min(lineEnd + 1, end);
      heading.node = node;
      if (heading.start < at || after <= heading.start) continue;
      this.append(node, at, heading.start);
      heading.node = element(`h${Math.min(heading.depth + 1, 6)}`, { dir: "auto", tabIndex: -1 });
      this.append(heading.node, heading.start, after);
      node.append(heading.node);
      at = after;
    }
    this.append(node, at, end);
    section.node = node;
  }

  divider(page) {
    const button = element("button", { type: "button", className: "divider" }, `Page ${page}`);
    button.setAttribute("aria-label", `Show page ${page}`);
    button.addEventListener("click", () => this.openPage(page));
    return button;
  }

  /** Append `text[start:end)` with whatever of the mark lies in it. */
  append(target, start, end) {
    const from = Math.max(start, this.range.start);
    const to = Math.min(end, this.range.end);
    if (from >= to) {
      target.append(this.text.slice(start, end));
      return;
    }
    const mark = element("mark", { tabIndex: -1 }, this.text.slice(from, to));
    target.append(this.text.slice(start, from), mark, this.text.slice(to, end));
  }
}

/** The headings with how many enclose each: a document may skip levels, an outline should not. */
function nested(headings) {
  const open = [];
  return headings.map((heading) => {
    while (open.length && open.at(-1) >= heading.level) open.pop();
    open.push(heading.level);
    return { ...heading, depth: open.length };
  });
}

function touches(section, { start, end }) {
  return section.start < end && start < section.end;
}

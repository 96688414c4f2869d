/** Tables whose rows stay while they are what they were: focus and selection outlive a refresh. */

import { element } from "./dom.js";

/** A table with these columns: `{name, className}`; `hidden` names are for assistive technology alone. */
export function table(caption, columns) {
  const heads = columns.map(({ name, className = "", hidden = false }) => {
    const text = hidden ? element("span", { className: "visually-hidden" }, name) : name;
    return element("th", { scope: "col", className }, text);
  });
  const body = element("tbody");
  const made = element(
    "table",
    {},
    element("caption", { className: "visually-hidden" }, caption),
    element("thead", {}, element("tr", {}, ...heads)),
    body,
  );
  const box = element("div", { className: "scroll", tabIndex: 0 }, made);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", caption);
  return { box, body };
}

/** A cell; on a phone, where a row is a block, `label` stands before it. */
export function cell(label, className, ...children) {
  const made = element("td", { className }, ...children);
  if (label) made.dataset.label = label;
  return made;
}

export class Rows {
  constructor(body, keyOf, make) {
    Object.assign(this, { body, keyOf, make, shown: new Map() });
  }

  /** Show these items; `beside(item)` is whatever else a row depends on. */
  show(items, beside = () => null) {
    const before = this.shown;
    const focused = document.activeElement?.dataset?.action;
    this.shown = new Map();
    const rows = items.map((item) => {
      const id = this.keyOf(item);
      const print = JSON.stringify([item, beside(item)]);
      const old = before.get(id);
      const held = old?.node.contains(document.activeElement);
      const row = old?.print === print ? old : { print, node: this.make(item), refocus: held && focused };
      this.shown.set(id, row);
      return row;
    });
    if (this.body.childElementCount !== rows.length || rows.some((row, at) => this.body.children[at] !== row.node)) {
      this.body.replaceChildren(...rows.map((row) => row.node));
    }
    for (const row of rows) {
      if (row.refocus) row.node.querySelector(`[data-action="${row.refocus}"]`)?.focus();
      row.refocus = null;
    }
  }
}

/** The parts that the sections of the page are made of. */

import { element } from "../shared/dom.js";

export { announce, byId, element } from "../shared/dom.js";

/** Text of somebody else's: shown in its own direction, and shown as it is. */
export const foreign = (tag, text, className = "") => element(tag, { className, dir: "auto" }, text);

export function button(text, onclick, properties = {}) {
  return element("button", { type: "button", onclick, ...properties }, text);
}

/** A select with its label; `options` are pairs of value and text. */
export function select(label, options, value, onchange) {
  const box = element("select", { onchange: () => onchange(box.value) });
  box.append(...options.map(([each, text]) => element("option", { value: each, selected: each === value }, text)));
  return element("label", { className: "field" }, element("span", {}, label), box);
}

/** A search field that tells of its value when nothing was typed for a moment. */
export function searchField(label, onsearch) {
  let timer;
  const input = element("input", { type: "search", placeholder: label, maxLength: 200 });
  input.setAttribute("aria-label", label);
  input.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => onsearch(input.value.trim()), 250);
  });
  return input;
}

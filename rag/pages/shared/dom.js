/** Making elements. Data only ever becomes text nodes and attributes, never markup. */

/** The element of the page with this id. */
export const byId = (id) => document.getElementById(id);

/** A new element with properties and children; strings become text, null and undefined nothing. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Show `text` in an element, or hide the element when there is none. */
export function say(target, text) {
  target.textContent = text ?? "";
  target.hidden = !text;
}

/** Tell assistive technology; the same words twice are told twice. */
export function announce(text) {
  byId("announcer").replaceChildren(document.createTextNode(text));
}

/** Asks before something is done that cannot be taken back. */

import { byId, element } from "./dom.js";
import { counted } from "./format.js";

const SHOWN = 5;

/** Whether the operator agrees; `names` are what it is about. */
export function confirmed({ title, text, yes, names = [] }) {
  const dialog = byId("confirm");
  byId("confirm-title").textContent = title;
  byId("confirm-text").textContent = text;
  byId("confirm-yes").textContent = yes;
  const list = byId("confirm-names");
  list.replaceChildren(...names.slice(0, SHOWN).map((name) => element("li", { dir: "auto" }, name)));
  if (names.length > SHOWN) list.append(element("li", {}, `and ${counted(names.length - SHOWN, "more", "more")}`));
  list.hidden = names.length === 0;
  return new Promise((resolve) => {
    const end = (agreed) => () => {
      dialog.close(agreed ? "yes" : "");
    };
    byId("confirm-yes").onclick = end(true);
    byId("confirm-no").onclick = end(false);
    dialog.returnValue = "";
    dialog.onclose = () => {
      list.replaceChildren(); // what was forgotten must not stay in the page
      resolve(dialog.returnValue === "yes");
    };
    dialog.showModal();
    byId("confirm-no").focus();
  });
}

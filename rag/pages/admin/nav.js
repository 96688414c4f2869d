/** What the navigation says beside the sections' names. */

import { byId, element } from "./dom.js";

/** The number of failed documents. */
export function showFailed(count) {
  const place = byId("failed");
  place.hidden = count === 0;
  place.replaceChildren(String(count), element("span", { className: "visually-hidden" }, " failed"));
}

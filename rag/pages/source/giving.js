/** What a reader takes away: the quote with its source, the link, the original. */

import { announce } from "../shared/dom.js";
import { get, received } from "./service.js";

const SAID_FOR = 2000;

/** Put a text on the clipboard, and say so on the button. */
export async function copy(button, text, done) {
  const written = await write(text);
  const label = button.querySelector(".label");
  label.textContent = written ? "Copied" : "Not copied";
  announce(written ? done : "The browser did not allow it");
  clearTimeout(button.timer);
  button.timer = setTimeout(() => {
    label.textContent = button.dataset.label;
  }, SAID_FOR);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeBySelection(text); // without https there is no other way
  }
}

function writeBySelection(text) {
  const focused = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const written = document.execCommand("copy");
  field.remove();
  focused?.focus?.({ preventScroll: true });
  return written;
}

/** Fetch a file with the reader's rights, and save it under the name that the service gives it. */
export async function save(path) {
  const response = await get(path);
  const url = URL.createObjectURL(await received(response.blob()));
  const told = /filename\*=UTF-8''([^;]+)/.exec(response.headers.get("Content-Disposition") ?? "");
  const link = document.createElement("a");
  link.href = url;
  link.download = told ? decodeURIComponent(told[1]) : "document";
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

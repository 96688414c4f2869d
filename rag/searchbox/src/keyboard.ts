/** The keys that work anywhere on the page. Several boxes share them: one answers. */

export interface Summoned extends HTMLElement {
  readonly shortcut: string;
  readonly opened: boolean;
  readonly mode: string;
  summon(toggles: boolean): void;
}

const boxes = new Set<Summoned>();
const APPLE = /Mac|iPhone|iPad/.test(navigator.platform);

export function enrol(box: Summoned): void {
  if (!boxes.size) document.addEventListener("keydown", pressed);
  boxes.add(box);
}

export function dismiss(box: Summoned): void {
  boxes.delete(box);
  if (!boxes.size) document.removeEventListener("keydown", pressed);
}

/** A shortcut as it is printed on the keys, and as `aria-keyshortcuts` wants it; empty for none. */
export function labels(shortcut: string): { shown: string; spoken: string } {
  if (shortcut === "none") return { shown: "", spoken: "" };
  const keys = shortcut.toLowerCase().split("+");
  const name = (key: string): string => (key.length === 1 ? key.toUpperCase() : key);
  const spoken = keys.map((key) => ({ mod: APPLE ? "Meta" : "Control", ctrl: "Control", alt: "Alt", shift: "Shift" })[key] ?? name(key));
  const shown = keys.map((key) => {
    if (APPLE) return { mod: "⌘", ctrl: "⌃", alt: "⌥", shift: "⇧" }[key] ?? name(key);
    return { mod: "Ctrl", ctrl: "Ctrl", alt: "Alt", shift: "Shift" }[key] ?? name(key);
  });
  return { shown: shown.join(APPLE ? "" : " "), spoken: spoken.join("+") };
}

/** Safari ends a composition before the key that ends it, which then has this code alone. */
export const isComposing = (event: KeyboardEvent): boolean => event.isComposing || event.keyCode === 229;

export const isSend = (event: KeyboardEvent): boolean => event.metaKey || event.ctrlKey;

function pressed(event: KeyboardEvent): void {
  if (event.defaultPrevented || isComposing(event)) return;
  const slash = event.key === "/" && !event.metaKey && !event.ctrlKey && !event.altKey && !isEditable(event);
  const able = [...boxes]
    .filter((box) => box.checkVisibility() && box.shortcut !== "none" && (slash || fits(event, box.shortcut ?? "")))
    .sort((one, other) => (one.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING ? -1 : 1));
  const open = able.find((box) => box.mode === "modal" && box.opened);
  const box = open ?? able[0];
  if (!box || (slash && open)) return;
  event.preventDefault();
  if (!event.repeat) box.summon(!slash);
}

function fits(event: KeyboardEvent, shortcut: string): boolean {
  const names = shortcut.toLowerCase().split("+");
  const key = names.pop();
  const keys = new Set(names);
  const mod = keys.has("mod");
  return (
    event.ctrlKey === (keys.has("ctrl") || (mod && !APPLE)) &&
    event.metaKey === (keys.has("meta") || (mod && APPLE)) &&
    event.altKey === keys.has("alt") &&
    event.shiftKey === keys.has("shift") &&
    // By its place too: other alphabets, and Alt on a Mac, write something else with it.
    (event.key.toLowerCase() === key || event.code.toLowerCase() === `key${key}`)
  );
}

/** Whether the key writes somewhere, through shadow roots. */
function isEditable(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || target.matches("input, textarea, select, [role=textbox], [role=searchbox], [role=combobox]");
}

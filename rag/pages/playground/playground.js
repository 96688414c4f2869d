/** The playground: one box, the controls that set it, the lines that make it, and the events it sends. */

import { ATTRIBUTES, PROPERTIES, controlOf, sound } from "./controls.js";

const EVENTS = ["rag-ask", "rag-answer", "rag-cite", "rag-feedback", "rag-error"];
const KEPT_EVENTS = 50;
const COPIED_MS = 2000;

const byId = (id) => document.getElementById(id);
const box = document.createElement("rag-search");
/** Values by name of attribute or property; what is not here has its default. */
const chosen = new Map();

function choose(control, value) {
  if (value === null) chosen.delete(control.name);
  else chosen.set(control.name, value);
  apply(control, value);
  tell();
}

function apply({ name }, value) {
  if (name.startsWith("--")) {
    if (value === null) box.style.removeProperty(name);
    else box.style.setProperty(name, value);
  } else if (value === null) box.removeAttribute(name);
  else box.setAttribute(name, value);
}

/** The lines for a page, and the address of what is chosen. */
function tell() {
  const origin = location.origin + location.pathname.replace(/\/playground\/?$/, "");
  const attributes = ATTRIBUTES.filter(({ name }) => chosen.has(name))
    .map(({ name }) => (chosen.get(name) === "" ? ` ${name}` : ` ${name}="${escaped(chosen.get(name))}"`))
    .join("");
  const look = PROPERTIES.filter(({ name }) => chosen.has(name)).map(({ name }) => `  ${name}: ${chosen.get(name)};`);
  const lines = [
    `<script type="module" src="${origin}/searchbox.js"></script>`,
    `<rag-search endpoint="${origin}"${attributes}></rag-search>`,
  ];
  // A style sheet of the page's own: a strict content policy allows no style in the markup.
  if (look.length) lines.push("", "/* in your style sheet */", "rag-search {", ...look, "}");
  byId("snippet").textContent = lines.join("\n");
  history.replaceState(null, "", chosen.size ? `#${new URLSearchParams([...chosen])}` : location.pathname);
}

function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
}

function draw() {
  for (const [id, controls] of [["attributes", ATTRIBUTES], ["properties", PROPERTIES]]) {
    const drawn = controls.map((control) =>
      controlOf(control, chosen.get(control.name) ?? null, (value) => choose(control, value)),
    );
    byId(id).replaceChildren(...drawn);
  }
}

function record({ type, detail }) {
  const item = document.createElement("li");
  const name = document.createElement("code");
  name.textContent = type;
  const what = document.createElement("span");
  what.textContent = summary(detail);
  item.append(name, what);
  byId("events").prepend(item);
  while (byId("events").children.length > KEPT_EVENTS) byId("events").lastChild.remove();
  byId("no-events").hidden = true;
}

function summary(detail) {
  const text = JSON.stringify(detail);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

byId("copy").addEventListener("click", async ({ target }) => {
  try {
    await navigator.clipboard.writeText(byId("snippet").textContent);
    target.textContent = "Copied";
  } catch {
    // Browsers give the clipboard to https and localhost alone.
    getSelection().selectAllChildren(byId("snippet"));
    target.textContent = "Selected: copy it";
  }
  setTimeout(() => (target.textContent = "Copy"), COPIED_MS);
});
byId("forget").addEventListener("click", () => {
  byId("events").replaceChildren();
  byId("no-events").hidden = false;
});
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("controls").addEventListener("reset", (event) => {
  event.preventDefault();
  for (const control of [...ATTRIBUTES, ...PROPERTIES]) choose(control, null);
  draw();
});

const asked = new URLSearchParams(location.hash.slice(1));
for (const control of [...ATTRIBUTES, ...PROPERTIES]) {
  const value = asked.has(control.name) ? sound(control, asked.get(control.name)) : null;
  if (value !== null) chosen.set(control.name, value);
  apply(control, value);
}
for (const type of EVENTS) box.addEventListener(type, record);
byId("stage").append(box);
draw();
tell();

/** What can be set on the box: its attributes and its custom properties, each with the control that sets it. */

const choice = (name, label, options) => ({ name, label, kind: "choice", options });
const text = (name, label, example) => ({ name, label, kind: "text", example });
const toggle = (name, label) => ({ name, label, kind: "toggle" });
const colour = (name, label, value) => ({ name, label, kind: "colour", value });
const size = (name, label, value, unit, least, most) => ({ name, label, kind: "size", value, unit, least, most });

/** The first option is the default, which is not written. */
export const ATTRIBUTES = [
  choice("mode", "Mode", ["modal", "inline"]),
  choice("theme", "Theme", ["auto", "light", "dark"]),
  choice("lang", "Language", ["", "en", "de", "es", "ar"]),
  text("placeholder", "Placeholder", "Ask the handbook"),
  text("shortcut", "Shortcut", "mod+k"),
  text("collection", "Collections", "handbook, policies"),
  text("examples", "Examples, parted by |", "How long are backups kept?|Who may read them?"),
  toggle("no-history", "Keep no recent questions"),
  toggle("cost", "Show what an answer cost"),
];

export const PROPERTIES = [
  colour("--rag-accent", "Accent", "#0b6355"),
  colour("--rag-on-accent", "Text on the accent", "#ffffff"),
  colour("--rag-background", "Background", "#ffffff"),
  colour("--rag-surface", "Surface", "#f5f6f3"),
  colour("--rag-text", "Text", "#16191d"),
  colour("--rag-muted", "Quiet text", "#58616b"),
  colour("--rag-border", "Lines", "#e3e5e0"),
  colour("--rag-highlight", "Marked passage", "#ffedab"),
  size("--rag-radius", "Corners", 14, "px", 0, 28),
  size("--rag-font-size", "Type size", 16, "px", 12, 22),
  size("--rag-trigger-width", "Width of the trigger", 16, "em", 3, 40),
  size("--rag-width", "Width of the dialog", 720, "px", 420, 1100),
];

/** A labelled control; `change` is told of every new value, null for the default. */
export function controlOf(control, given, change) {
  const label = document.createElement("label");
  const words = document.createElement("span");
  words.textContent = control.label;
  const made = MAKERS[control.kind](control, given);
  made.name = control.name;
  made.addEventListener("input", () => change(valueOf(control, made)));
  if (control.kind === "toggle") label.append(made, words);
  else label.append(words, made);
  label.className = control.kind;
  return label;
}

/** What stands in the address, if the control could have made it; else null. */
export function sound(control, given) {
  switch (control.kind) {
    case "choice":
      return control.options.slice(1).includes(given) ? given : null;
    case "colour":
      return /^#[0-9a-f]{6}$/i.test(given) ? given : null;
    case "size": {
      const [, number] = /^(\d{1,4})(px|em)$/.exec(given) ?? [];
      return number && given.endsWith(control.unit) ? given : null;
    }
    case "toggle":
      return given === "" ? "" : null;
    default:
      return given || null;
  }
}

function valueOf(control, made) {
  switch (control.kind) {
    case "toggle":
      return made.checked ? "" : null;
    case "size":
      return Number(made.value) === control.value ? null : made.value + control.unit;
    case "choice":
      return made.value === control.options[0] ? null : made.value;
    default:
      return made.value || null;
  }
}

const MAKERS = {
  choice({ options }, given) {
    const made = document.createElement("select");
    made.append(...options.map((one) => new Option(one || "of the page", one, false, one === given)));
    return made;
  },
  text({ example }, given) {
    return Object.assign(document.createElement("input"), { type: "text", placeholder: example, value: given ?? "" });
  },
  toggle(_, given) {
    return Object.assign(document.createElement("input"), { type: "checkbox", checked: given !== null });
  },
  colour({ value }, given) {
    return Object.assign(document.createElement("input"), { type: "color", value: given ?? value });
  },
  size({ value, least, most }, given) {
    const made = Object.assign(document.createElement("input"), { type: "range", min: least, max: most });
    made.value = given ? parseInt(given, 10) : value;
    return made;
  },
};

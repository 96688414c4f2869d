/** What readers asked and the documents do not answer, questions of one meaning together. */

import { read, save } from "./api.js";
import { button, element, foreign, select } from "./dom.js";
import { counted, number, time } from "./format.js";
import { Rows } from "./table.js";

export const title = "Content gaps";
export const about = "Questions that the documents do not answer, those of one meaning together. The most asked come first.";

const DAYS = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"]];

export function create(root, query, reload) {
  const wanted = { days: "30", disliked: false };
  const change = (next) => (Object.assign(wanted, next), reload());
  const box = element("input", { type: "checkbox", onchange: () => change({ disliked: box.checked }) });
  const toolbar = element(
    "div",
    { className: "toolbar" },
    select("Asked within", DAYS, wanted.days, (days) => change({ days })),
    element("label", { className: "check" }, box, "with answers that were rated down"),
    button("Export CSV", () => save("gaps", { ...wanted, format: "csv" }, "citebox-gaps.csv"), { className: "push" }),
  );
  const list = element("ol", { className: "gaps" });
  const note = element("p", { className: "empty", hidden: true });
  root.append(toolbar, list, note);
  let titles = {};
  const rows = new Rows(list, ({ question }) => question, (gap) => item(gap, titles));
  return {
    async load(current) {
      const found = await read("gaps", wanted);
      if (!current()) return;
      titles = found.titles;
      rows.show(found.gaps, ({ nearest }) => nearest.map((id) => titles[id] ?? null));
      list.hidden = !found.gaps.length;
      const whole = found.whole ? "" : `These are the newest ${number(found.questions)} questions; there were more.`;
      note.textContent = found.gaps.length ? whole : "Nothing was left unanswered.";
      note.hidden = !note.textContent;
    },
  };
}

function item(gap, titles) {
  const said = [counted(gap.callers, "caller"), `last ${time(gap.last)}`];
  if (gap.disliked) said.push(`${number(gap.disliked)} answered and rated down`);
  const body = element("div", {}, foreign("h2", gap.question), element("p", { className: "path" }, said.join(" · ")));
  const near = gap.nearest.map((id) => titles[id]).filter(Boolean);
  if (near.length) body.append(foreign("p", `Nearest: ${near.join("; ")}`, "path"));
  if (gap.examples.length) {
    const others = element("ul", {}, ...gap.examples.map((text) => foreign("li", text)));
    body.append(element("details", {}, element("summary", {}, `Other wordings (${gap.examples.length})`), others));
  }
  const times = element("p", { className: "times" }, element("strong", {}, number(gap.count)), gap.count === 1 ? "time" : "times");
  return element("li", {}, times, body);
}

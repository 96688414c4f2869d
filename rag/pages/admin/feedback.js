/** What readers thought of answers. */

import { read } from "./api.js";
import { bars } from "./charts.js";
import { element, foreign, select } from "./dom.js";
import { number, percent, time } from "./format.js";
import { REASONS } from "./outcomes.js";
import { cell, table } from "./table.js";

export const title = "Feedback";
export const about = "Thumbs of readers, their reasons, and the documents that their answers cite.";

const DAYS = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"]];
const COMMENTS = 20;

export function create(root, query, reload) {
  const wanted = { days: "30" };
  const toolbar = element(
    "div",
    { className: "toolbar" },
    select("Within", DAYS, wanted.days, (days) => ((wanted.days = days), reload())),
  );
  const summary = element("p", { className: "summary" });
  const chart = element("div");
  const columns = element("div", { className: "columns" });
  const last = element("section", { className: "panel" });
  root.append(toolbar, summary, chart, columns, last);
  return {
    async load(current) {
      const [found, down] = await Promise.all([
        read("feedback", wanted),
        read("questions", { rating: "down", limit: COMMENTS }),
      ]);
      if (!current()) return;
      const rated = found.up + found.down;
      summary.replaceChildren(
        element("strong", {}, `${number(found.up)} up, ${number(found.down)} down.`),
        ` ${percent(found.up, rated)} of the ratings are good; ${percent(rated, found.answers)} of the answers were rated.`,
      );
      bars(chart, {
        title: "Ratings a day",
        days: found.days.map(({ day }) => day),
        series: [
          { name: "Up", tone: 1, values: found.days.map(({ up }) => up) },
          { name: "Down", tone: 6, values: found.days.map(({ down: count }) => count) },
        ],
        format: number,
      });
      columns.replaceChildren(reasons(found), documents(found));
      last.replaceChildren(element("h2", {}, "Rated down last"), ...comments(down));
    },
  };
}

function reasons({ reasons: found }) {
  const most = Math.max(...found.map(({ count }) => count), 1);
  const rows = found.map(({ reason, count }) => {
    const filled = element("i");
    filled.style.setProperty("inline-size", `${(100 * count) / most}%`);
    const bar = element("span", { className: "bar" }, filled);
    bar.setAttribute("aria-hidden", "true");
    return element("li", {}, element("span", {}, REASONS[reason]), bar, element("span", { className: "number" }, number(count)));
  });
  const body = rows.length ? element("ul", { className: "meters" }, ...rows) : element("p", { className: "path" }, "No reason was given.");
  return element("section", { className: "panel" }, element("h2", {}, "Reasons for a thumb down"), body);
}

function documents({ documents: found, titles }) {
  const known = found.filter((one) => titles[one.document_id]);
  const panel = element("section", { className: "panel" }, element("h2", {}, "Documents that rated answers cite"));
  if (!known.length) {
    panel.append(element("p", { className: "path" }, "None."));
    return panel;
  }
  const { box, body } = table("Documents that rated answers cite", [
    { name: "Document" },
    { name: "Down", className: "number" },
    { name: "Up", className: "number" },
  ]);
  body.append(
    ...known.slice(0, 10).map(({ document_id: id, up, down }) =>
      element("tr", {}, cell("", "wide", foreign("span", titles[id])), cell("Down", "number", number(down)), cell("Up", "number", number(up))),
    ),
  );
  panel.append(box);
  return panel;
}

function comments({ questions, titles }) {
  if (!questions.length) return [element("p", { className: "path" }, "None.")];
  const items = questions.map((one) => {
    const why = one.reasons.map((reason) => element("span", { className: "chip calm" }, REASONS[reason]));
    const cited = one.documents.map((id) => titles[id]).filter(Boolean).join("; ");
    return element(
      "li",
      {},
      foreign("p", one.question, "asked"),
      one.comment ? foreign("p", `“${one.comment}”`, "comment") : null,
      element("p", { className: "path" }, `${time(one.rated)}, ${one.caller}${cited ? ` · cites ${cited}` : ""} `, ...why),
    );
  });
  return [element("ul", { className: "comments" }, ...items)];
}

/** How the service is, at a glance. */

import { read } from "./api.js";
import { bars } from "./charts.js";
import { element } from "./dom.js";
import { bytes, counted, duration, number, percent, time } from "./format.js";
import { OUTCOMES } from "./outcomes.js";

export const title = "Overview";
export const about = "How the service is, and what to look after.";

const CHART_DAYS = 14;

export function create(root) {
  const warnings = element("section", { className: "warnings" });
  warnings.setAttribute("aria-label", "What to look after");
  const tiles = element("div", { className: "tiles" });
  const chart = element("div");
  const facts = element("div", { className: "columns" });
  root.append(warnings, tiles, chart, facts);
  return {
    async load(current) {
      const [now, activity] = await Promise.all([read("overview"), read("activity", { days: CHART_DAYS })]);
      if (!current()) return;
      warnings.replaceChildren(...warned(now));
      tiles.replaceChildren(...tilesOf(now));
      const days = activity.days.map(({ day }) => day);
      const series = OUTCOMES.map(({ outcome, name, tone }) => ({
        name,
        tone,
        values: activity.days.map((one) => one.outcomes[outcome] ?? 0),
      }));
      if (now.week) bars(chart, { title: `Questions of ${CHART_DAYS} days`, days, series, format: number });
      facts.replaceChildren(...factsOf(now));
    },
  };
}

function warned({ warnings, documents }) {
  const found = warnings.map(({ name, state, detail, remedy }) =>
    notice(state, name, detail, remedy ? element("span", {}, remedy) : null),
  );
  if (documents?.failed) {
    const link = element("a", { href: "#documents?state=failed" }, "See why");
    found.unshift(notice("WARN", "documents", `${counted(documents.failed, "document")} could not be read`, link));
  }
  return found.length ? found : [element("p", { className: "well" }, "Nothing needs attention.")];
}

function notice(state, name, detail, more) {
  const said = element("p", {}, element("strong", {}, name), ` ${detail}`);
  const chip = element("span", { className: `chip ${state === "FAIL" ? "bad" : "warn"}` }, state === "FAIL" ? "Fail" : "Warn");
  return element("div", { className: "warning" }, chip, said, more);
}

function tilesOf({ engine, documents, week, data, answers, uptime_seconds: uptime, started }) {
  return [
    tile("Documents", number(documents?.ready), documents?.failed ? `${number(documents.failed)} failed` : "all ready", documents?.failed),
    tile("Chunks", number(documents?.chunks), engine.reachable ? `${engine.kind} Qdrant ${engine.version}` : "the engine cannot be reached", !engine.reachable),
    week && tile("Questions, 7 days", number(week.questions), `${percent(week.answered, week.questions)} answered`),
    week && tile("Not in the documents", number(week.not_found), element("a", { href: "#gaps" }, "Content gaps")),
    week && tile("Thumbs, 7 days", `${number(week.up)} up`, `${number(week.down)} down`),
    tile("Data folder", bytes(data.bytes), `${bytes(data.free_bytes)} free`),
    tile("Answers", answers === "claude" ? "Claude" : "Quotes", answers === "claude" ? "by a model" : "no Claude key is set"),
    tile("Up for", duration(uptime), `since ${time(started)}`),
  ].filter(Boolean);
}

function tile(name, value, more, alarming = false) {
  const lines = [element("dt", {}, name), element("dd", { className: "value" }, value)];
  const last = element("dd", { className: alarming ? "more alarm" : "more" }, more);
  return element("dl", { className: "tile" }, ...lines, last);
}

function factsOf({ models, versions, data, question_log_days: days }) {
  const kept = days ? `for ${counted(days, "day")}` : "not kept";
  return [
    list("Models", [
      ["Embedding", models.embedding],
      ["Reranking", models.reranking ?? "off"],
      ["Fast answers", models.fast ?? "none"],
      ["Thorough answers", models.thorough ?? "none"],
    ]),
    list("Service", [
      ["Citebox", versions.citebox],
      ["Python", versions.python],
      ["Data folder", data.path],
      ["Questions are kept", kept],
    ]),
  ];
}

function list(name, pairs) {
  const rows = pairs.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)]);
  return element("section", { className: "panel" }, element("h2", {}, name), element("dl", { className: "facts" }, ...rows));
}

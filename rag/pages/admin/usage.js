/** What was spent, by day and model; how many answers; how long they took. */

import { read } from "./api.js";
import { bars, lines } from "./charts.js";
import { element, select } from "./dom.js";
import { dollars, milliseconds, number } from "./format.js";
import { OUTCOMES } from "./outcomes.js";

export const title = "Usage";
export const about = "Cost, questions and times by day (UTC).";

const DAYS = [["7", "7 days"], ["30", "30 days"], ["90", "90 days"]];

export function create(root, query, reload) {
  const wanted = { days: "30" };
  const toolbar = element(
    "div",
    { className: "toolbar" },
    select("Within", DAYS, wanted.days, (days) => ((wanted.days = days), reload())),
  );
  const summary = element("p", { className: "summary" });
  const [cost, asked, times] = [element("div"), element("div"), element("div")];
  root.append(toolbar, summary, cost, asked, times);
  return {
    async load(current) {
      const { days: found, usage } = await read("activity", wanted);
      if (!current()) return;
      const days = found.map(({ day }) => day);
      const spent = usage.reduce((sum, { usd }) => sum + usd, 0);
      const questions = found.reduce((sum, one) => sum + one.questions, 0);
      const cached = found.reduce((sum, one) => sum + one.cached, 0);
      summary.replaceChildren(
        element("strong", {}, dollars(spent)),
        ` for ${number(questions)} questions, ${number(cached)} of them answered from the cache.`,
      );
      bars(cost, { title: "Cost a day", days, series: byModel(days, usage), format: dollars });
      bars(asked, {
        title: "Questions a day",
        days,
        series: OUTCOMES.map(({ outcome, name, tone }) => ({ name, tone, values: found.map((one) => one.outcomes[outcome] ?? 0) })),
        format: number,
      });
      lines(times, {
        title: "Time until the answer was whole",
        days,
        series: [
          { name: "Half of the answers (p50)", tone: 1, values: found.map((one) => one.p50_ms) },
          { name: "95 of 100 answers (p95)", tone: 2, values: found.map((one) => one.p95_ms) },
        ],
        format: milliseconds,
      });
    },
  };
}

/** One series for each model that cost anything. */
function byModel(days, usage) {
  const paid = [...new Set(usage.filter(({ usd }) => usd > 0).map(({ model }) => model))].sort();
  const at = new Map(days.map((day, index) => [day, index]));
  return paid.map((model, index) => {
    const values = days.map(() => 0);
    for (const row of usage) if (row.model === model && at.has(row.day)) values[at.get(row.day)] += row.usd;
    return { name: model, tone: (index % 6) + 1, values };
  });
}

/** What was asked, the newest first, and what came of it. */

import { act, read, save } from "./api.js";
import { confirmed } from "./confirm.js";
import { announce, button, element, foreign, searchField, select } from "./dom.js";
import { counted, dollars, milliseconds, number, time } from "./format.js";
import { OUTCOMES, REASONS, outcomeChip, thumb } from "./outcomes.js";
import { Rows, cell, table } from "./table.js";

export const title = "Questions";
export const about = "What readers asked, and what came of it. The text of answers is not kept.";

const PAGE = 50;
/** What the service calls the ways without a model. */
const MADE_BY = { none: "no model", extractive: "quoted sentences" };
const COLUMNS = [
  { name: "Asked" },
  { name: "Question" },
  { name: "Outcome" },
  { name: "Rating" },
  { name: "Answered by" },
  { name: "Actions", className: "actions", hidden: true },
];

export function create(root, query, reload) {
  const wanted = { outcome: query.get("outcome") ?? "", rating: query.get("rating") ?? "", caller: "", q: "" };
  let shown = [];
  let titles = {};
  let most = PAGE;

  const caller = element("div", { className: "bulk" });
  const toolbar = element(
    "div",
    { className: "toolbar" },
    searchField("Search questions", (q) => change({ q })),
    select("Outcome", [["", "any"], ...OUTCOMES.map((one) => [one.outcome, one.name])], wanted.outcome, (outcome) => change({ outcome })),
    select("Rating", [["", "any"], ["down", "down"], ["up", "up"]], wanted.rating, (rating) => change({ rating })),
    caller,
    button("Export CSV", () => save("questions", { ...wanted, format: "csv" }, "citebox-questions.csv"), { className: "push" }),
  );
  const { box, body } = table("Questions", COLUMNS);
  const empty = element("p", { className: "empty", hidden: true });
  const pager = element("p", { className: "pager" });
  root.append(toolbar, box, empty, pager);
  const rows = new Rows(body, ({ id }) => id, row);

  function change(next) {
    Object.assign(wanted, next);
    most = PAGE;
    reload();
  }

  async function load(current = () => true) {
    let page = await read("questions", { ...wanted, limit: PAGE });
    const found = { questions: page.questions, titles: page.titles };
    while (page.next && found.questions.length < most) {
      page = await read("questions", { ...wanted, limit: PAGE, before: page.next });
      found.questions.push(...page.questions);
      Object.assign(found.titles, page.titles);
    }
    if (!current()) return;
    ({ questions: shown, titles } = found);
    rows.show(shown, (one) => one.documents.map((id) => titles[id] ?? null));
    drawCaller();
    empty.hidden = shown.length > 0;
    box.hidden = !empty.hidden;
    const narrowed = Object.values(wanted).some(Boolean);
    empty.textContent = narrowed ? "No question matches." : "No question has been asked, or none are kept.";
    pager.replaceChildren(counted(page.total, "question"));
    if (page.next) pager.append(button("Show more", () => ((most += PAGE), reload())));
  }

  function drawCaller() {
    caller.replaceChildren();
    if (!wanted.caller) return;
    caller.append(
      button(`Caller ${wanted.caller} ×`, () => change({ caller: "" }), { className: "tag", ariaLabel: `Show all callers, not ${wanted.caller} alone` }),
      button("Forget all of this caller…", forgetCaller, { className: "danger-quiet" }),
    );
  }

  function row(one) {
    const parts = [foreign("p", one.question, "asked")];
    if (one.standalone) parts.push(foreign("p", `Understood as: ${one.standalone}`, "path"));
    const cited = one.documents.map((id) => titles[id]).filter(Boolean);
    if (cited.length) parts.push(foreign("p", `Cites ${cited.join("; ")}`, "path"));
    const said = [one.reasons.map((reason) => REASONS[reason]).join(", "), one.comment].filter(Boolean).join(": ");
    if (said) parts.push(foreign("p", `“${said}”`, "comment"));
    const forget = button("Forget…", () => forgetOne(one), { className: "danger-quiet" });
    forget.dataset.action = "forget";
    forget.setAttribute("aria-label", `Forget: ${one.question}`);
    const who = button(one.caller.replace(/^origin:https?:\/\//, ""), () => change({ caller: one.caller }), { className: "link" });
    who.setAttribute("aria-label", `Only questions of ${one.caller}`);
    const costs = [milliseconds(one.ms), one.cached ? "from the cache" : dollars(one.usd)];
    return element(
      "tr",
      {},
      cell("Asked", "by", element("div", { className: "nowrap" }, time(one.at)), who),
      cell("", "wide", ...parts),
      cell("Outcome", "nowrap", outcomeChip(one.outcome)),
      cell("Rating", one.rating ? "nowrap" : "nowrap unset", thumb(one.rating)),
      cell("Answered by", "nowrap", element("div", {}, MADE_BY[one.model] ?? one.model ?? "–"), element("div", { className: "path" }, costs.join(" · "))),
      cell("", "actions", forget),
    );
  }

  async function forgetOne(one) {
    const text = "The question and what its reader thought of the answer are deleted. What it cost stays on the account.";
    if (!(await confirmed({ title: "Forget this question?", text, yes: "Forget", names: [one.question] }))) return;
    await act("DELETE", `questions/${one.id}`);
    announce("The question is forgotten");
    await reload();
  }

  async function forgetCaller() {
    const text = "All their questions and ratings are deleted, also those that are not shown. What they cost stays on the account.";
    const title = `Forget all questions of ${wanted.caller}?`;
    if (!(await confirmed({ title, text, yes: "Forget all" }))) return;
    const { deleted } = await act("DELETE", "questions", { caller: wanted.caller });
    announce(`${counted(deleted, "question")} forgotten`);
    change({ caller: "" });
  }

  return { load };
}

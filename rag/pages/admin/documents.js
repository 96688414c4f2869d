/** The documents of all groups: which are in, which failed and why; read them again, take them out. */

import { Problem, act, read } from "./api.js";
import { confirmed } from "./confirm.js";
import { announce, button, element, foreign, searchField } from "./dom.js";
import { bytes, counted, number, time } from "./format.js";
import { showFailed } from "./nav.js";
import { Rows, cell, table } from "./table.js";

export const title = "Documents";
export const about = "Every document of every group. Failed ones come first.";

const PAGE = 50;
const DONE = { new: "Read", changed: "Read again", unchanged: "Already up to date" };
const COLUMNS = [
  { name: "Document" },
  { name: "Collection, groups" },
  { name: "Chunks", className: "number" },
  { name: "Pages", className: "number" },
  { name: "Size", className: "number" },
  { name: "Added" },
  { name: "Actions", className: "actions", hidden: true },
];

export function create(root, query, reload) {
  const wanted = { state: query.get("state") ?? "", q: "", offset: 0 };
  /** What is being done, and what came of it, by document: `{busy, text, bad}`. */
  const done = new Map();
  let page = { documents: [], total: 0, ready: 0, failed: 0 };

  const states = element("div", { className: "choice" });
  states.setAttribute("role", "group");
  states.setAttribute("aria-label", "State");
  const bulk = element("div", { className: "bulk" });
  const search = searchField("Search documents", (q) => change({ q }));
  const { box, body } = table("Documents", COLUMNS);
  const empty = element("p", { className: "empty", hidden: true });
  const pager = element("p", { className: "pager" });
  root.append(element("div", { className: "toolbar" }, search, states, bulk), box, empty, pager);
  const rows = new Rows(body, ({ id }) => id, row);

  function change(next) {
    Object.assign(wanted, { offset: 0 }, next);
    reload();
  }

  async function load(current = () => true) {
    const found = await read("documents", { ...wanted, limit: PAGE });
    if (!current()) return;
    page = found;
    showFailed(page.failed);
    drawStates();
    drawBulk();
    draw();
    const last = wanted.offset + page.documents.length;
    empty.hidden = page.documents.length > 0;
    box.hidden = !empty.hidden;
    empty.textContent = wanted.q || wanted.state ? "No document matches." : "There are no documents yet.";
    pager.hidden = page.total <= PAGE;
    pager.replaceChildren(
      button("Previous", () => move(-PAGE), { disabled: wanted.offset === 0 }),
      `${number(wanted.offset + 1)} to ${number(last)} of ${number(page.total)}`,
      button("Next", () => move(PAGE), { disabled: last >= page.total }),
    );
  }

  const move = (by) => change({ offset: Math.max(0, wanted.offset + by) });
  const draw = () => rows.show(page.documents, ({ id }) => done.get(id) ?? null);

  function drawStates() {
    const counts = [["", "All", page.ready + page.failed], ["ready", "Ready", page.ready], ["failed", "Failed", page.failed]];
    const focused = document.activeElement?.dataset.state;
    const made = counts.map(([state, name, count]) => {
      const one = button(`${name} ${number(count)}`, () => change({ state }));
      one.dataset.state = state;
      one.setAttribute("aria-pressed", String(wanted.state === state));
      return one;
    });
    const held = states.contains(document.activeElement);
    states.replaceChildren(...made);
    if (held) made.find((one) => one.dataset.state === focused)?.focus();
  }

  function drawBulk() {
    const failed = page.documents.filter(({ state }) => state === "failed");
    const busy = isBusy();
    bulk.replaceChildren();
    if (wanted.state !== "failed" || !failed.length) return;
    bulk.append(
      button(`Re-ingest these ${number(failed.length)}`, () => eachOf(failed, reingest), { disabled: busy }),
      button(`Remove these ${number(failed.length)}…`, () => removeAll(failed), { disabled: busy, className: "danger-quiet" }),
    );
  }

  function row(one) {
    const now = done.get(one.id);
    const failed = one.state === "failed";
    const name = element("div", { className: "name" }, foreign("strong", one.title));
    if (failed) name.append(element("span", { className: "chip bad" }, one.version ? "Failed, older version answers" : "Failed"));
    const parts = [name, foreign("div", one.uri, "path")];
    if (failed) parts.push(foreign("p", one.failure ?? "", "failure"));
    if (now) parts.push(element("p", { className: now.bad ? "outcome bad" : "outcome" }, now.text));
    const labelled = (words, action, run, className = "") => {
      const made = button(words, run, { disabled: Boolean(now?.busy), className });
      made.dataset.action = action;
      made.setAttribute("aria-label", `${words.replace("…", "")} ${one.title}`);
      return made;
    };
    return element(
      "tr",
      { className: now?.busy ? "busy" : "" },
      cell("", "wide", ...parts),
      cell("Collection, groups", "", foreign("div", one.collection), foreign("div", one.groups.join(", "), "path")),
      cell("Chunks", "number", number(one.chunks)),
      cell("Pages", "number", one.pages ? number(one.pages) : "–"),
      cell("Size", "number nowrap", bytes(one.size)),
      cell("Added", "nowrap", time(one.added)),
      cell("", "actions", labelled("Re-ingest", "reingest", () => eachOf([one], reingest)), labelled("Remove…", "remove", () => removeAll([one]), "danger-quiet")),
    );
  }

  function note(one, state) {
    done.set(one.id, state);
    draw();
    drawBulk();
  }

  async function eachOf(ones, work) {
    for (const one of ones) note(one, { busy: true, text: "Waiting…" });
    for (const one of ones) {
      try {
        await work(one);
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        const text = [error.detail || error.title, error.remedy].filter(Boolean).join(" · ");
        note(one, { busy: false, bad: true, text });
        announce(`${one.title}: ${text}`);
      }
    }
    await reload();
  }

  async function reingest(one) {
    note(one, { busy: true, text: "Reading…" });
    const { document: now, status } = await act("POST", `documents/${one.id}/reingest`);
    const text = `${DONE[status]}, ${counted(now.chunks, "chunk")}`;
    page.documents = page.documents.map((each) => (each.id === one.id ? { ...each, ...now } : each));
    note(one, { busy: false, text });
    announce(`${one.title}: ${text}`);
  }

  async function remove(one) {
    note(one, { busy: true, text: "Removing…" });
    await act("DELETE", `documents/${one.id}`);
    done.delete(one.id);
    page.documents = page.documents.filter(({ id }) => id !== one.id);
    draw();
    announce(`${one.title} was removed`);
  }

  async function removeAll(ones) {
    const agreed = await confirmed({
      title: `Remove ${ones.length === 1 ? "this document" : counted(ones.length, "document")}?`,
      text: "Chunks, stored text and stored original go. The file it came from is not touched.",
      yes: "Remove",
      names: ones.map((one) => one.title),
    });
    if (agreed) await eachOf(ones, remove);
  }

  const isBusy = () => [...done.values()].some(({ busy }) => busy);
  return { load, busy: isBusy };
}

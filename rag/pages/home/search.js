/** The search page: one box, one answer at a time, and an address for everything that can be seen. */

import { AnswerView, plainText } from "./answer.js";
import { announce, byId, element, say } from "../shared/dom.js";
import { examplesFor } from "./examples.js";
import { hashOf, placeIn } from "./place.js";
import { SourcePanel, isSame } from "./source.js";
import { Problem, ask, getJson } from "./stream.js";

const RETRY_SECONDS = 2;
const COPIED_MS = 2000;
/** How long reload and back show the answer that was given, and do not ask, and pay, again. */
const KEPT_MS = 60 * 60 * 1000;
/** Past this many documents the page does not list them. */
const LISTED_DOCUMENTS = 500;

const box = byId("question");
const view = new AnswerView();
const panel = new SourcePanel({ leave: leaveSource, step: stepSource, open: openSource });

/** The question on the page: `{question, mode, controller, text, citations, hits, answer}`, or null. */
let turn = null;
/** Going back takes a moment, in which a second Esc must not go back twice. */
let leaving = false;

// ---------------------------------------------------------------- asking

/** Ask; whatever is being answered is hung up on. */
async function run(question, mode) {
  turn?.controller.abort();
  const mine = { question, mode, controller: new AbortController(), text: "", citations: [], hits: [], answer: null };
  turn = mine;
  showAsked(question, mode);
  view.begin(question);
  setBusy(true);
  try {
    await converse(mine);
  } catch (error) {
    if (mine !== turn) return;
    if (mine.controller.signal.aborted) view.stopped(mine.text, mine.citations);
    else view.failed(asProblem(error), mine.text, mine.citations);
  } finally {
    if (mine === turn) setBusy(false);
  }
}

/** Ask until the service is there to answer, and show what comes. */
async function converse(mine) {
  const { signal } = mine.controller;
  for (;;) {
    try {
      for await (const { event, data } of ask(mine.question, mine.mode, signal)) {
        if (mine === turn) take(mine, event, data);
      }
      return;
    } catch (error) {
      if (error.code !== "starting") throw error;
      view.waiting();
      await pause(error.retryAfter || RETRY_SECONDS, signal);
    }
  }
}

function take(mine, event, data) {
  if (event === "sources") {
    mine.hits = data.hits;
    view.reading(data.hits);
  } else if (event === "citation") {
    mine.citations.push(data);
  } else if (event === "delta") {
    mine.text += data.text;
    view.growing(mine.text, mine.citations);
  } else if (event === "done") {
    mine.answer = { ...data, nearest: data.nearest.map((near) => ({ ...near, ...placeFound(mine.hits, near) })) };
    mine.citations = data.citations;
    view.done(mine.answer);
    panel.relate(mine.citations);
    keepAnswer();
  }
}

/** Where in a nearest document the best passage stands. */
function placeFound(hits, near) {
  const hit = hits.find((one) => one.document_id === near.document_id);
  return hit && { version: hit.version, start: hit.start, end: hit.end };
}

function asProblem(error) {
  if (error instanceof Problem) return error;
  console.error(error);
  return new Problem({ title: "Something went wrong", detail: "This page met an error of its own." });
}

function stop() {
  turn?.controller.abort();
  box.focus();
}

function setBusy(busy) {
  // The focus is not lost with what had it and is gone now, and no keyboard pops up on a phone.
  const moves = busy ? document.activeElement !== box : document.activeElement === byId("stop");
  byId("submit").hidden = busy;
  byId("stop").hidden = !busy;
  if (moves) byId(busy ? "stop" : "submit").focus();
}

// ---------------------------------------------------------------- the address

function addressOf(question, mode) {
  const fields = new URLSearchParams({ q: question, ...(mode !== "auto" && { mode }) });
  return `?${fields}`;
}

/** Ask as a person does: with an entry in the history. */
function submit(question, mode) {
  const address = addressOf(question, mode);
  if (panel.isOpen) panel.close();
  if (location.search === address) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  run(question, mode);
}

/** Bring the page to what the address says: on load, back and forward. */
function follow() {
  leaving = false;
  const fields = new URLSearchParams(location.search);
  const question = fields.get("q")?.trim() ?? "";
  const modes = [...byId("mode").options].map(({ value }) => value);
  const mode = modes.includes(fields.get("mode")) ? fields.get("mode") : "auto";
  if (question !== (turn?.question ?? "") || (turn && mode !== turn.mode)) {
    const kept = history.state?.answer;
    if (!question) reset();
    else if (kept && Date.now() - history.state.at < KEPT_MS) restore(question, mode, kept);
    else run(question, mode);
  }
  keepAnswer();
  const place = placeIn(location.hash);
  if (place) panel.open(place, turn?.citations ?? []);
  else panel.close();
}

/** Keep the answer with the entry of the history that shows it. */
function keepAnswer() {
  if (!turn?.answer || history.state?.answer) return;
  history.replaceState({ ...history.state, answer: turn.answer, at: Date.now() }, "", location.href);
}

function restore(question, mode, answer) {
  turn?.controller.abort();
  turn = { question, mode, controller: new AbortController(), text: answer.text, citations: answer.citations, answer };
  showAsked(question, mode);
  view.begin(question);
  view.done(answer);
  setBusy(false);
}

function reset() {
  turn?.controller.abort();
  turn = null;
  view.clear();
  setBusy(false);
  showAsked("", byId("mode").value);
  box.focus();
}

function showAsked(question, mode) {
  document.body.classList.toggle("empty", !question);
  document.title = question ? `${question} · Citebox` : "Citebox";
  byId("mode").value = mode;
  box.value = question;
  fitBox();
}

// ---------------------------------------------------------------- sources

function openSource(place, opener) {
  if (panel.isOpen) history.replaceState(history.state, "", hashOf(place));
  else history.pushState({ ...history.state, opened: true }, "", hashOf(place));
  panel.open(place, turn?.citations ?? [], opener);
}

function stepSource(by) {
  const { citations } = turn;
  const index = citations.findIndex((citation) => isSame(citation, panel.place));
  openSource(citations[index + by]);
}

/** Close the panel as the back button would, so that forward opens it again. */
function leaveSource() {
  if (history.state?.opened) {
    if (!leaving) history.back();
    leaving = true;
    return;
  }
  history.replaceState(history.state, "", location.pathname + location.search);
  panel.close();
}

// ---------------------------------------------------------------- what is asked of this page

/** Say what there is to ask, as soon as the service can tell. */
async function introduce() {
  try {
    const ready = await readiness();
    const hasModel = ready.answers === "claude";
    byId("modes").hidden = !hasModel;
    if (!ready.documents) {
      say(byId("note"), "There are no documents yet. Add some: ");
      byId("note").append(element("code", {}, "ingest add PATH"));
    } else if (ready.documents <= LISTED_DOCUMENTS) {
      const { documents } = await getJson("v1/documents");
      const readable = documents.filter(({ version }) => version);
      showExamples(examplesFor(readable, hasModel));
      showLibrary(readable);
    } else {
      say(byId("note"), `Answers come from ${ready.documents.toLocaleString("en")} documents.`);
    }
  } catch (error) {
    say(byId("note"), asProblem(error).message);
  }
}

async function readiness() {
  for (;;) {
    const response = await fetch("readyz").catch(() => null);
    const told = await response?.json().catch(() => null);
    if (response?.ok) {
      say(byId("note"), "");
      return told;
    }
    const starts = told?.status === "starting";
    say(byId("note"), starts ? "The service is starting: it loads its models." : "The service is not ready.");
    await pause(RETRY_SECONDS);
  }
}

function showExamples(questions) {
  byId("examples").hidden = !questions.length;
  const chips = questions.map((question) => {
    const chip = element("button", { type: "button" }, question);
    chip.addEventListener("click", () => submit(question, "auto"));
    return element("li", {}, chip);
  });
  byId("examples").querySelector("ul").replaceChildren(...chips);
}

function showLibrary(documents) {
  const library = byId("library");
  library.hidden = !documents.length;
  const noun = documents.length === 1 ? "document" : "documents";
  library.querySelector("summary").textContent = `Answers come from ${documents.length} ${noun}`;
  const sorted = documents.toSorted((a, b) => a.title.localeCompare(b.title));
  const items = sorted.map(({ id, title }) =>
    element("li", {}, element("a", { href: hashOf({ document_id: id }) }, title)),
  );
  library.querySelector("ul").replaceChildren(...items);
}

// ---------------------------------------------------------------- hands and keys

/** As high as the question is long. */
function fitBox() {
  box.style.setProperty("height", "auto");
  box.style.setProperty("height", `${box.scrollHeight}px`);
}

async function copy() {
  const copied = await putOnClipboard(plainText(turn.question, turn.answer));
  const words = copied ? "Copied" : "Could not copy";
  byId("copy").textContent = words;
  announce(words);
  await pause(COPIED_MS / 1000);
  byId("copy").textContent = "Copy";
}

/** Browsers keep the clipboard from pages without TLS, which an internal service may be; there is an older way. */
async function putOnClipboard(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const carrier = element("textarea", { value: text, className: "visually-hidden" });
  document.body.append(carrier);
  carrier.select();
  const copied = document.execCommand("copy");
  carrier.remove();
  byId("copy").focus();
  return copied;
}

/** Resolves after so many seconds; rejects when the signal aborts. */
function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

function escape() {
  if (panel.isOpen) leaveSource();
  else if (!byId("stop").hidden) stop();
  else {
    box.value = "";
    fitBox();
    box.focus();
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const question = box.value.trim();
  if (question) submit(question, byId("mode").value);
});
box.addEventListener("input", fitBox);
box.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  byId("ask").requestSubmit();
});
byId("stop").addEventListener("click", stop);
byId("retry").addEventListener("click", () => submit(turn.question, turn.mode));
byId("copy").addEventListener("click", copy);
byId("home").addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (location.search || location.hash) history.pushState(null, "", location.pathname);
  follow();
});
document.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  const link = event.target.closest('a[href^="#source="]');
  const marker = event.target.closest("button.marker");
  const place = link
    ? placeIn(link.hash)
    : turn?.citations.find((citation) => citation.marker === Number(marker?.dataset.marker));
  if (!place) return;
  event.preventDefault();
  openSource(place, link ?? marker);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) {
    event.preventDefault();
    escape();
  } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.matches("textarea, select")) {
    event.preventDefault();
    box.focus();
    box.select();
  }
});
window.addEventListener("popstate", follow);
new ResizeObserver(fitBox).observe(byId("ask"));

follow();
introduce();

/** The source view: a document at the place of a citation, its text and, for a PDF, the picture of the page. */

import { announce, byId, element, say } from "../shared/dom.js";
import { isCode, placeAt, whereabouts } from "../home/place.js";
import { addressOf, keepToken, linkTo, readAddress, takeToken } from "./address.js";
import { findQuote } from "./finding.js";
import { copy, save } from "./giving.js";
import { Outline } from "./outline.js";
import { PagePictures } from "./pages.js";
import { documentPath, getJson, Problem } from "./service.js";
import { StoredText } from "./text.js";

const FRAMES_TO_SETTLE = 8;
const STILL_THERE = 60;
const LONGEST_IN_TITLE = 80;
const RETRY_MS = 2000;

takeToken();
history.scrollRestoration = "manual";

const outline = new Outline({ go: goToHeading });
const pictures = new PagePictures({ turn: goToPage });
let address = readAddress();
let source = null;
let text = null;
let range = {};
let fetching = null;
let pinned = null;
/** While we go somewhere, the places on the way are not where the reader is. */
let settling = false;
let nextFrame = 0;
let downloads = false;

// ---------------------------------------------------------------- opening

/** Show what the address names; `focus` moves it to the passage. */
async function open({ focus = true } = {}) {
  address = readAddress();
  fetching?.abort();
  fetching = new AbortController();
  const { signal } = fetching;
  drawSteps();
  say(byId("notice"), "");
  byId("problem").hidden = true;
  try {
    const { found, replaced } = await load(address.place, signal);
    if (!signal.aborted) draw(found, replaced, focus);
  } catch (problem) {
    if (!signal.aborted) fail(problem);
  }
}

/** The source, from the last reply where it is the same version: texts may be megabytes long. */
async function load(place, signal) {
  const { document_id, version } = place;
  if (source && source.document_id === document_id && source.version === version) return { found: source };
  if (!document_id) throw new Problem({ code: "not_found", title: "Not found", detail: "" });
  clear();
  byId("wait").hidden = false;
  try {
    return { found: await getJson(documentPath(place, "source", { version }), signal) };
  } catch (problem) {
    if (problem.code !== "not_found" || !version) throw problem;
    // Either the document is gone, or only this version of it.
    return { found: await getJson(documentPath(place, "source"), signal), replaced: true };
  }
}

function clear() {
  stopGoing();
  source = text = null;
  range = {};
  pictures.forget();
  outline.show([]);
  byId("text").replaceChildren();
  byId("pages").hidden = byId("views").hidden = true;
  document.body.classList.remove("pictured");
  for (const id of ["copy-quote", "copy-link", "download"]) byId(id).hidden = true;
}

function draw(found, replaced, focus) {
  const { place } = address;
  byId("wait").hidden = true;
  if (found !== source) {
    source = found;
    text = new StoredText(byId("text"), source, goToPage);
    byId("text").classList.toggle("code", isCode(source));
    outline.show(text.headings);
    const hasPictures = source.pages.length > 0;
    byId("pages").hidden = byId("views").hidden = !hasPictures;
    document.body.classList.toggle("pictured", hasPictures);
    byId("copy-link").hidden = false;
    byId("download").hidden = !downloads;
  }
  range = replaced ? findAgain(place) : { start: place.start, end: place.end };
  const mark = text.mark(range.start, range.end);
  if (!mark) range = {};
  const placed = mark ? placeAt(source, range.start) : { headings: [], title: source.title };
  const where = whereabouts(placed);
  byId("title").textContent = source.title;
  drawPlace(placed, where);
  document.title = `${[...source.title].slice(0, LONGEST_IN_TITLE).join("")} · Citebox`;
  byId("copy-quote").hidden = !mark;
  if (place.end && !mark && !replaced) say(byId("notice"), "The cited place lies outside of this document.");
  if (source.pages.length) {
    pictures.open(source, range);
    pictures.show(placed.page ?? source.pages[0].number, { again: true });
  }
  if (mark) {
    if (focus) mark.focus({ preventScroll: true });
    bringToView(mark, { page: placed.page, heading: headingAt(range.start) });
  } else {
    stopGoing();
    scrollTo(0, 0);
    follow();
  }
  tell(where);
}

/** Where the passage stands; on a narrow screen the outer headings give way, and never the page. */
function drawPlace({ title, headings, page }, where) {
  const [inner = "", outer = ""] = headings.filter((heading) => heading !== title).reverse();
  byId("place").replaceChildren(
    element("span", { className: "path outer", dir: "auto", hidden: !outer }, outer && `${outer} ›`),
    element("span", { className: "path", dir: "auto", hidden: !inner }, inner),
    element("span", { hidden: !page }, `Page ${page}`),
  );
  byId("place").title = where;
  byId("place").hidden = !where;
}

/** The words of a version that was replaced, in the one that is live; and a word on what became of them. */
function findAgain({ quote, start }) {
  const found = quote ? findQuote(source.text, quote, start) : null;
  const fate = !quote
    ? "This is the document as it is now; the cited place cannot be shown in it."
    : !found
      ? "This is the document as it is now, and the cited words are not in it any more."
      : found.whole
        ? "The cited words are still there, and are marked in the document as it is now."
        : "The beginning of the cited words is still there, and is marked in the document as it is now.";
  say(byId("notice"), `The document has changed since it was cited. ${fate}`);
  return found ?? {};
}

function fail(problem) {
  clear();
  byId("wait").hidden = true;
  const [title, words, actions] = explained(problem);
  byId("title").textContent = "Source";
  byId("place").hidden = true;
  const panel = byId("problem");
  panel.replaceChildren(
    element("h2", {}, title),
    element("p", {}, words),
    element("p", { className: "actions" }, ...actions),
  );
  if (problem.requestId) panel.append(element("p", { className: "small" }, `Request ${problem.requestId}`));
  panel.hidden = false;
  panel.focus();
  announce(`${title}. ${words}`);
  if (problem.code === "starting") setTimeout(() => source ?? open(), RETRY_MS);
}

/** What went wrong in a reader's words, and what can be done. */
function explained(problem) {
  const again = element("button", { type: "button" }, "Try again");
  again.addEventListener("click", () => open());
  const back = element("a", { href: "../" }, "Ask the documents");
  switch (problem.code) {
    case "not_found":
      return ["Not found", "There is no such document, or you may not read it.", [back]];
    case "token_expired":
      keepToken("");
      return ["Your access has ended", "Open the citation once more from the page that you came from.", [again]];
    case "token_invalid":
    case "unauthorised":
      keepToken("");
      return [
        "You are not signed in here",
        "Open the citation from the page that you came from, or sign in there again.",
        [again],
      ];
    case "starting":
      return ["The service is starting", "The document opens as soon as it is ready.", []];
    default:
      return [problem.title, [problem.detail, problem.remedy].filter(Boolean).join(" "), [again]];
  }
}

// ---------------------------------------------------------------- citations

function drawSteps() {
  const { citations, at } = address;
  byId("steps").hidden = citations.length < 2;
  byId("step").textContent = `${at < 0 ? "–" : at + 1} of ${citations.length}`;
  for (const [id, step] of [["previous", -1], ["next", 1]]) {
    const other = citations[at + step];
    byId(id).disabled = !other;
    byId(id).title = other?.title ?? "";
  }
}

function tell(where) {
  const { citations, at } = address;
  const which = at >= 0 && citations.length > 1 ? `Citation ${at + 1} of ${citations.length}` : "Source opened";
  announce([which, source.title, where].filter(Boolean).join(", "));
}

/** Go to the previous or next citation; a button that was pressed keeps the focus for the next press. */
function step(by) {
  const at = address.at + by;
  const citation = address.citations[at];
  if (!citation) return;
  history.pushState(null, "", addressOf(citation, address.cites, at));
  const button = byId(by < 0 ? "previous" : "next");
  const pressed = document.activeElement === button;
  open({ focus: !pressed }).then(() => {
    if (pressed && button.disabled) byId(by < 0 ? "next" : "previous").focus();
  });
}

byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));

addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  if (target.closest("input, textarea, select, [contenteditable]")) return;
  const scrolls = target.closest("#sheet"); // where the arrows are needed for a magnified page
  if (key === "n" || (key === "ArrowRight" && !scrolls)) step(1);
  else if (key === "p" || (key === "ArrowLeft" && !scrolls)) step(-1);
  else return;
  event.preventDefault();
});

// ---------------------------------------------------------------- moving about

/** Sections get their true height only when they come near, so the mark moves while we go there. */
function bringToView(node, at, block = "center", frames = FRAMES_TO_SETTLE) {
  stopGoing(); // to where was asked for before
  const tall = node.getBoundingClientRect().height > innerHeight * 0.6;
  node.scrollIntoView({ block: tall ? "start" : block, behavior: "instant" });
  pinned = { ...at, y: scrollY };
  settling = frames > 0;
  if (settling) nextFrame = requestAnimationFrame(() => bringToView(node, at, block, frames - 1));
  else follow();
}

function stopGoing() {
  cancelAnimationFrame(nextFrame);
  settling = false;
}

function goToPage(number) {
  pictures.show(number);
  const node = text.pageNode(number);
  if (node && document.body.dataset.view === "text") bringToView(node, { page: number }, "start");
}

function goToHeading(number) {
  view("text");
  const { node } = text.sections.flatMap(({ headings }) => headings)[number];
  const { page } = placeAt(source, source.headings[number].start);
  bringToView(node, { page, heading: number }, "start");
  node.focus({ preventScroll: true });
}

function headingAt(offset) {
  return source.headings.findLastIndex(({ start }) => start <= offset);
}

/** What the reader is at: in the outline, and as the picture. */
function follow() {
  if (!text || document.body.dataset.view !== "text") return;
  const at = text.at(innerHeight * 0.35);
  // A short page does not reach up to where one reads; the one that was asked for stays until one goes on.
  if (pinned && Math.abs(scrollY - pinned.y) > STILL_THERE) pinned = null;
  outline.follow(pinned?.heading ?? at.heading);
  const page = pinned?.page ?? at.page;
  if (page && source.pages.length) pictures.show(page);
}

let due = 0;
addEventListener("scroll", () => {
  clearTimeout(due);
  due = setTimeout(() => settling || follow(), 80);
});

/** On a narrow screen one is shown at a time, and each is where it was left. */
let left = { y: 0, page: 0 };
function view(which) {
  const { dataset } = document.body;
  if (dataset.view === which) return;
  if (dataset.view === "text") left = { y: scrollY, page: pictures.number };
  dataset.view = which;
  byId("view-text").setAttribute("aria-pressed", String(which === "text"));
  byId("view-page").setAttribute("aria-pressed", String(which === "page"));
  if (which === "text") {
    scrollTo(0, left.y);
    if (text && left.page !== pictures.number) goToPage(pictures.number);
  } else {
    scrollTo(0, 0);
    pictures.show(pictures.number, { again: true });
  }
}

byId("view-text").addEventListener("click", () => view("text"));
byId("view-page").addEventListener("click", () => view("page"));

// ---------------------------------------------------------------- taking away

for (const button of document.querySelectorAll(".actions button")) {
  button.dataset.label = button.textContent.trim();
}

byId("copy-quote").addEventListener("click", ({ currentTarget }) => {
  const where = [source.title, byId("place").title].filter(Boolean).join(", ");
  copy(currentTarget, `“${text.marked.trim()}”\n— ${where}\n${link()}`, "Quote copied with its source");
});

byId("copy-link").addEventListener("click", ({ currentTarget }) => copy(currentTarget, link(), "Link copied"));

byId("download").addEventListener("click", async ({ currentTarget }) => {
  currentTarget.disabled = true;
  try {
    await save(documentPath(source, "original", { version: source.version }));
  } catch (problem) {
    say(byId("notice"), `${problem.title}: ${problem.detail}`);
  }
  currentTarget.disabled = false;
});

function link() {
  const { document_id, version } = source;
  return linkTo({ document_id, version, ...range }, text.marked);
}

/** Whether originals are given out; a service that cannot say so refuses when asked. */
async function learnOfDownloads() {
  try {
    ({ downloads } = await getJson("v1/session"));
  } catch (problem) {
    downloads = problem.code === "not_found";
  }
  byId("download").hidden = !downloads || !source;
}

// ---------------------------------------------------------------- beginning

addEventListener("popstate", () => {
  takeToken();
  open();
});
addEventListener("online", () => {
  if (!source) open();
});
// What is scrolled to must not end up behind the bar, whose height depends on the width and the type.
new ResizeObserver(([{ target }]) => {
  document.documentElement.style.setProperty("--bar", `${target.offsetHeight}px`);
}).observe(document.querySelector(".bar"));

learnOfDownloads();
open();

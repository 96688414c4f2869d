/** The panel that shows the stored text of a document at the place of a citation. */

import { announce, byId, element, say } from "../shared/dom.js";
import { isCode, placeAt, whereabouts } from "./place.js";
import { drawSource } from "./stored.js";
import { getJson } from "./stream.js";

const BESIDE_THE_ANSWER = matchMedia("(min-width: 1100px)");
const FRAMES_TO_SETTLE = 6;

/**
 * A dialog: beside the answer on a wide screen, over everything on a narrow one.
 * `leave` is called when the reader wants it closed, `step` with -1 or 1 for the previous or next citation,
 * `open` with another place to go to.
 */
export class SourcePanel {
  constructor({ leave, step, open }) {
    this.dialog = byId("source");
    this.body = byId("stored");
    this.place = null;
    this.kept = null;
    this.opener = null;
    this.fetching = null;
    byId("close").addEventListener("click", leave);
    byId("previous").addEventListener("click", () => step(-1));
    byId("next").addEventListener("click", () => step(1));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      leave();
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) leave();
    });
    this.goTo = open;
    BESIDE_THE_ANSWER.addEventListener("change", () => {
      if (!this.dialog.open) return;
      this.dialog.close();
      this.reveal();
    });
  }

  get isOpen() {
    return this.dialog.open;
  }

  /**
   * Open at a place.
   * @param place document, version and range
   * @param citations those of the answer, in order, to step through
   * @param opener what gets the focus back
   */
  async open(place, citations, opener) {
    this.opener = opener ?? this.opener;
    this.place = place;
    this.relate(citations);
    if (!this.dialog.open) this.reveal();
    this.fetching?.abort();
    this.fetching = new AbortController();
    const { signal } = this.fetching;
    try {
      const source = await this.load(place, signal);
      if (!signal.aborted) this.draw(source, place);
    } catch (problem) {
      if (!signal.aborted) this.fail(problem, place);
    }
  }

  /** Say which of the answer's citations is open, and offer its neighbours. */
  relate(citations) {
    if (!this.place) return;
    const index = citations.findIndex((citation) => isSame(citation, this.place));
    byId("steps").hidden = index < 0 || citations.length < 2;
    byId("step").textContent = `${index + 1} of ${citations.length}`;
    byId("previous").disabled = index <= 0;
    byId("next").disabled = index >= citations.length - 1;
  }

  /** Close, and give the focus back to what opened it, unless the reader has moved on to something else. */
  close() {
    if (!this.dialog.open) return;
    this.fetching?.abort();
    const active = document.activeElement;
    const givesBack = active === document.body || this.dialog.contains(active);
    this.dialog.close();
    this.place = null;
    this.body.replaceChildren();
    const back = this.opener?.isConnected ? this.opener : byId("question");
    this.opener = null;
    if (givesBack) back.focus();
  }

  reveal() {
    if (BESIDE_THE_ANSWER.matches) this.dialog.show();
    else this.dialog.showModal();
    this.body.focus();
  }

  /** The source, from the last reply where that was the same version: texts may be megabytes long. */
  async load(place, signal) {
    const { document_id, version, start, end } = place;
    if (this.kept && this.kept.document_id === document_id && this.kept.version === version) return this.kept;
    byId("source-title").textContent = "Source";
    say(byId("source-place"), "");
    this.body.replaceChildren(element("p", { className: "wait" }, "Opening the document…"));
    const query = new URLSearchParams({ ...(version && { version }), ...(end && { start, end }) });
    this.kept = await getJson(`v1/documents/${encodeURIComponent(document_id)}/source?${query}`, signal);
    return this.kept;
  }

  draw(source, place) {
    this.body.classList.toggle("code", isCode(source));
    const mark = drawSource(this.body, source, place.start, place.end);
    const where = mark ? whereabouts(placeAt(source, place.start)) : "";
    byId("source-title").textContent = source.title;
    say(byId("source-place"), where);
    this.body.scrollTop = 0;
    if (mark) bringToView(mark, this.body);
    announce(["Source opened", where].filter(Boolean).join(", "));
  }

  fail(problem, place) {
    const parts = [element("h3", {}, problem.title), element("p", {}, sentence(problem.detail))];
    if (problem.remedy) parts.push(element("p", {}, sentence(problem.remedy)));
    if (place.version) {
      const button = element("button", { type: "button" }, "Open the document as it is now");
      button.addEventListener("click", () => this.goTo({ document_id: place.document_id }));
      parts.push(element("p", { className: "actions" }, button));
    }
    this.body.replaceChildren(element("div", { className: "problem" }, ...parts));
    announce(`${problem.title}. ${problem.detail}`);
  }
}

/** Whether a citation stands at this place. */
export function isSame(citation, place) {
  return ["document_id", "version", "start", "end"].every((key) => citation[key] === place[key]);
}

/** The service's details begin in lower case, to stand after a colon in a log. */
export function sentence(text) {
  const trimmed = text.trim();
  const ended = /[.!?…]$/.test(trimmed) || !trimmed ? trimmed : `${trimmed}.`;
  return ended.charAt(0).toUpperCase() + ended.slice(1);
}

/** Sections get their true height only when they come near, so the mark moves while we go there. */
function bringToView(mark, container, frames = FRAMES_TO_SETTLE) {
  const tall = mark.getBoundingClientRect().height > container.clientHeight * 0.6;
  mark.scrollIntoView({ block: tall ? "start" : "center", behavior: "instant" });
  if (frames) requestAnimationFrame(() => bringToView(mark, container, frames - 1));
}

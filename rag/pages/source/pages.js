/** The picture of a PDF's page with the passage marked on it: one page at a time, its neighbours fetched ahead. */

import { byId, element, say } from "../shared/dom.js";
import { documentPath, get, getJson, received } from "./service.js";

const WIDTHS = [400, 700, 1000, 1400, 2000];
const ZOOMS = [1, 1.25, 1.5, 2, 3];
const KEPT = 9;
const A4 = 842 / 595;
const BESIDE_THE_TEXT = matchMedia("(min-width: 760px)");

export class PagePictures {
  /** `turn` is called with a page's number when the reader asks for it here. */
  constructor({ turn }) {
    this.source = null;
    this.kept = new Map();
    this.zoom = 0;
    this.number = 0;
    this.ratio = A4;
    byId("page-back").addEventListener("click", () => turn(this.neighbour(-1)));
    byId("page-on").addEventListener("click", () => turn(this.neighbour(1)));
    byId("smaller").addEventListener("click", () => this.magnify(-1));
    byId("larger").addEventListener("click", () => this.magnify(1));
    BESIDE_THE_TEXT.addEventListener("change", () => {
      if (this.number) this.show(this.number, { again: true });
    });
  }

  /** Show pages of this source from now on, with this range of its text marked. */
  open(source, range) {
    const same = this.source?.document_id === source.document_id && this.source?.version === source.version;
    if (!same) this.forget();
    this.source = source;
    this.range = range;
    for (const one of this.kept.values()) one.marks = null;
  }

  forget() {
    for (const { url, fetching } of this.kept.values()) {
      fetching.abort();
      if (url) URL.revokeObjectURL(url);
    }
    this.kept.clear();
    this.number = 0;
    this.ratio = A4;
  }

  neighbour(step) {
    const at = this.source.pages.findIndex(({ number }) => number === this.number);
    return this.source.pages[at + step]?.number ?? this.number;
  }

  /** Show a page; `again` brings the passage into view where the page is shown already. */
  async show(number, { again = false } = {}) {
    if (number === this.number && !again) return;
    this.number = number;
    byId("page-number").textContent = `Page ${number} of ${this.source.pages.length}`;
    byId("page-back").disabled = this.neighbour(-1) === number;
    byId("page-on").disabled = this.neighbour(1) === number;
    if (!byId("sheet").clientWidth) return; // not seen, as on a phone that shows the text
    const page = this.page(number);
    this.draw(page);
    await Promise.all([this.loadPicture(page), this.loadMarks(page)]);
    if (this.number !== number || this.kept.get(number) !== page) return;
    this.draw(page);
    this.revealMark();
    for (const step of [1, -1]) {
      const beside = this.neighbour(step);
      if (beside !== number) this.loadPicture(this.page(beside));
    }
  }

  page(number) {
    const found = this.kept.get(number) ?? { number, fetching: new AbortController(), url: "", width: 0 };
    this.kept.delete(number);
    this.kept.set(number, found);
    const [oldest] = this.kept.values();
    if (this.kept.size > KEPT && oldest !== found) {
      this.kept.delete(oldest.number);
      oldest.fetching.abort();
      if (oldest.url) URL.revokeObjectURL(oldest.url);
    }
    return found;
  }

  /** Fetch the picture in the size that the screen can show, unless one of that size is there. */
  async loadPicture(page) {
    const wanted = byId("sheet").clientWidth * ZOOMS[this.zoom] * devicePixelRatio;
    const width = WIDTHS.find((one) => one >= wanted * 0.9) ?? WIDTHS.at(-1);
    if (page.width >= width) return page.loading;
    page.width = width;
    page.loading = this.fetchPicture(page, width);
    return page.loading;
  }

  async fetchPicture(page, width) {
    const { version } = this.source;
    const { signal } = page.fetching;
    try {
      const path = documentPath(this.source, `pages/${page.number}/picture`, { version, width });
      const picture = await received((await get(path, signal)).blob(), signal);
      if (signal.aborted || width < page.width) return;
      if (page.url) URL.revokeObjectURL(page.url);
      page.url = URL.createObjectURL(picture);
      page.problem = null;
    } catch (problem) {
      if (signal.aborted) return;
      page.problem = problem;
      page.width = 0;
    }
  }

  async loadMarks(page) {
    const { start, end } = this.range;
    const stored = this.source.pages.find(({ number }) => number === page.number);
    const touched = end && start < stored.end && stored.start < end;
    if (page.marks || !touched) return;
    const { version } = this.source;
    const path = documentPath(this.source, `pages/${page.number}/marks`, { version, start, end });
    try {
      const marks = await getJson(path, page.fetching.signal);
      if (this.range.start === start && this.range.end === end) page.marks = marks;
    } catch {
      // The picture says what is wrong, if it is more than the marks.
    }
  }

  draw({ number, url, problem, marks }) {
    const paper = byId("paper");
    const picture = byId("picture");
    if (marks) this.ratio = marks.height / marks.width;
    paper.style.setProperty("--ratio", String(this.ratio));
    picture.hidden = !url;
    if (url && picture.src !== url) {
      picture.src = url;
      picture.alt = `Picture of page ${number}`;
      picture.onload = () => paper.style.setProperty("--ratio", String(picture.naturalHeight / picture.naturalWidth));
    }
    const blank = byId("blank");
    blank.hidden = Boolean(url);
    if (problem) blank.replaceChildren(...this.apology(problem));
    else blank.replaceChildren("Drawing the page…");
    byId("pens").replaceChildren(...(url && marks ? marks.rectangles.map((one) => pen(one, marks.exact)) : []));
    say(byId("caption"), url && marks ? caption(marks) : "");
  }

  apology(problem) {
    const button = element("button", { type: "button" }, "Try again");
    button.addEventListener("click", () => this.show(this.number, { again: true }));
    const words = problem.code === "unreachable" ? problem.title : "This page cannot be shown as a picture";
    return [element("p", {}, `${words}.`), button];
  }

  /** Within the picture's own box; the window stays where it is. */
  revealMark() {
    const sheet = byId("sheet");
    const first = byId("pens").firstElementChild;
    if (!first) {
      sheet.scrollTo(0, 0);
      return;
    }
    const [box, within] = [first.getBoundingClientRect(), sheet.getBoundingClientRect()];
    sheet.scrollBy(
      box.left < within.left || box.right > within.right ? box.left - within.left - 40 : 0,
      box.top - within.top - within.height / 3,
    );
  }

  magnify(step) {
    this.zoom = Math.min(Math.max(this.zoom + step, 0), ZOOMS.length - 1);
    byId("paper").style.setProperty("--zoom", String(ZOOMS[this.zoom]));
    byId("zoom").textContent = `${ZOOMS[this.zoom] * 100} %`;
    byId("smaller").disabled = this.zoom === 0;
    byId("larger").disabled = this.zoom === ZOOMS.length - 1;
    if (this.source) this.show(this.number, { again: true });
  }
}

function pen({ left, top, width, height }, exact) {
  const made = element("div", { className: exact ? "pen" : "pen unsure" });
  for (const [name, part] of Object.entries({ left, top, width, height })) {
    made.style.setProperty(name, `${part * 100}%`);
  }
  return made;
}

function caption({ rectangles, exact }) {
  if (!rectangles.length) return "The passage was not found on the picture of this page.";
  return exact ? "" : "Not all of the passage was found on the picture.";
}

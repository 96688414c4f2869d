/** The view of one answer, from the first word of its state to its sources. */

import { announce, byId, element, say } from "../shared/dom.js";
import { AnswerText, emphasise, parted } from "./format.js";
import { hashOf, whereabouts } from "./place.js";
import { sentence } from "./source.js";

const NAMED = 3;

export class AnswerView {
  constructor() {
    this.article = byId("answer");
    this.text = new AnswerText(byId("text"));
    this.frame = 0;
  }

  /** Empty, and at work on a question. */
  begin(question) {
    this.clear();
    this.article.hidden = false;
    byId("asked").textContent = `Answer to: ${question}`;
    this.state("Searching the documents…", "busy");
    announce("Searching the documents");
  }

  clear() {
    cancelAnimationFrame(this.frame);
    this.article.hidden = true;
    this.text.show("", new Map());
    for (const id of ["problem", "nearest", "citations", "footer"]) byId(id).hidden = true;
  }

  /** The service still loads its models; the question waits. */
  waiting() {
    const words = "The service is starting. Your question is asked as soon as it is ready.";
    this.state(words, "busy");
    announce(words);
  }

  /** Passages are found and being read. */
  reading(hits) {
    const titles = [...new Map(hits.map((hit) => [hit.document_id, hit.title])).values()];
    const named = titles.slice(0, NAMED).join(", ");
    const more = titles.length > NAMED ? ` and ${titles.length - NAMED} more` : "";
    this.state(titles.length ? `Reading ${named}${more}…` : "Reading…", "busy");
    announce("Reading");
  }

  /** What has come so far, once per frame however fast it comes. */
  growing(text, citations) {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.text.show(text, byMarker(citations)));
  }

  /** The whole answer, in place of what has streamed. */
  done(answer) {
    cancelAnimationFrame(this.frame);
    this.text.show(answer.text, byMarker(answer.citations));
    const short = answer.short_answer;
    if (short) emphasise(byId("text"), short, answer.citations);
    const documents = new Set(answer.citations.map((citation) => citation.document_id)).size;
    const words = answer.answered
      ? `${count(answer.citations.length, "source")} in ${count(documents, "document")}`
      : "Not found";
    this.state(words, answer.answered ? "answered" : "unanswered");
    this.list("citations", answer.citations.map((citation) => citationItem(citation, short)));
    this.list("nearest", answer.nearest.map(nearestItem));
    this.account(answer);
    announce(answer.answered ? `Answer ready, ${words}` : answer.text);
  }

  /** Stopped by the reader: what there is stays, and is not taken for an answer. */
  stopped(text, citations) {
    this.incomplete(text, citations, "Stopped", {
      title: text ? "This answer is incomplete" : "No answer",
      detail: "You stopped it.",
    });
  }

  /** Failed: what there is stays, and is not taken for an answer. */
  failed(problem, text, citations) {
    this.incomplete(text, citations, text ? "Incomplete" : "No answer", {
      ...problem,
      title: text ? `This answer is incomplete: ${lowered(problem.title)}` : problem.title,
    });
  }

  incomplete(text, citations, state, { title, detail, remedy, requestId }) {
    cancelAnimationFrame(this.frame);
    this.text.show(text, byMarker(citations));
    this.state(state, text ? "incomplete" : "failed");
    this.list("citations", text ? citations.map((citation) => citationItem(citation)) : []);
    byId("problem").hidden = false;
    byId("problem-title").textContent = title;
    say(byId("problem-detail"), detail && sentence(detail));
    say(byId("problem-remedy"), remedy && sentence(remedy));
    say(byId("problem-request"), requestId && `Request ${requestId}`);
    announce(`${title}. ${detail}`);
  }

  state(words, kind) {
    byId("state").textContent = words;
    this.article.dataset.state = kind;
    this.article.setAttribute("aria-busy", String(kind === "busy"));
  }

  list(id, items) {
    byId(id).hidden = !items.length;
    byId(id).querySelector(".places").replaceChildren(...items);
  }

  account({ route, receipt, notice, answered }) {
    const milliseconds = Object.values(receipt.stages_ms).reduce((sum, one) => sum + one, 0);
    const model = route.model === "extractive" ? "Quoted without a model" : `Answered by ${route.model}`;
    byId("footer").hidden = false;
    say(byId("notice"), notice);
    byId("route").textContent = `${model} in ${(milliseconds / 1000).toFixed(1)} s. ${route.reason}`;
    byId("copy").hidden = !answered;
  }
}

/** An answer as plain text with its sources, to be pasted into a letter. */
export function plainText(question, answer) {
  const sources = answer.citations.map((citation) => {
    const where = [citation.title, whereabouts(citation)].filter(Boolean).join(", ");
    return `[${citation.marker}] ${where}\n    “${oneLine(citation.quote)}”\n    ${citation.uri}`;
  });
  return [question, answer.text, ["Sources", ...sources].join("\n")].join("\n\n") + "\n";
}

/** A citation with its quote, in which the short answer stands out. */
function citationItem(citation, short) {
  const parts = short?.marker === citation.marker ? parted(citation, short) : [citation.quote.trim()];
  const [before, words, after = ""] = parts.map((part) => part.replace(/\s+/g, " "));
  const quote = words ? [before, element("strong", {}, words), after] : [before];
  return placeItem(citation, element("blockquote", {}, ...quote));
}

function nearestItem(near) {
  return placeItem(near);
}

function placeItem(place, ...more) {
  const link = element("a", { href: hashOf(place) }, element("cite", {}, place.title));
  const where = whereabouts(place);
  if (where) link.append(element("span", { className: "where" }, where));
  link.append(...more);
  return element("li", {}, link);
}

function byMarker(citations) {
  return new Map(citations.map((citation) => [citation.marker, citation]));
}

function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function oneLine(text) {
  return text.trim().replace(/\s+/g, " ");
}

function lowered(title) {
  return title.charAt(0).toLowerCase() + title.slice(1);
}

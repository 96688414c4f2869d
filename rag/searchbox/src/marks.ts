/** Signs put into an answer's text before it is parsed, and turned into elements after: markers, doubts, the short answer. */
import type { Answer, Citation } from "../types/index.js";
import { markupOf } from "./markdown.js";

// Private-use characters survive Markdown and cannot be meant by anybody.
const DOUBT = "\uE000";
const SHORT = "\uE001";
const OFF = "\uE002";
const SIGNS = /[\uE000-\uE002]/g;
const PIECES = /(\[\d{1,5}\]|[\uE000-\uE002])/;
const BLOCK_SYNTAX = /^(?:\s|[-*+>#]|\d{1,9}[.)]\s)*/;

/** A sign and where in the text it belongs. */
export type Sign = readonly [at: number, sign: string];

/** The text without what we mean something by, every character in its place. */
export function plain(text: string): string {
  return text.replace(SIGNS, "\uFFFD").replace(/\r/g, " ");
}

/** Signs around what no source supports and around the short answer, in the order of the text. */
export function signsOf(answer: Answer): Sign[] {
  const { text, grounding, short_answer: short, citations } = answer;
  const unit = unitsOf(text);
  const signs: Sign[] = [];
  for (const { start, end, supported } of grounding?.sentences ?? []) {
    if (supported) continue;
    const sentence = text.slice(unit(start), unit(end)).trimEnd();
    const from = BLOCK_SYNTAX.exec(sentence)?.[0].length ?? 0;
    if (from < sentence.length) signs.push([unit(start) + from, DOUBT], [unit(start) + sentence.length, OFF]);
  }
  const cited = short && citations.find(({ marker }) => marker === short.marker);
  const quoted = cited ? text.indexOf(cited.quote) : -1;
  if (short && cited && quoted >= 0) {
    const start = quoted + unitsOf(cited.quote)(short.start - cited.start);
    if (text.startsWith(short.text, start)) signs.push([start, SHORT], [start + short.text.length, OFF]);
  }
  return signs.sort(([one], [other]) => one - other);
}

/** `raw`, which begins at `from` in the text, with those of the signs that belong into it and change nothing but that. */
export function withSigns(raw: string, from: number, signs: readonly Sign[]): string {
  let result = "";
  let done = 0;
  for (const [at, sign] of signs) {
    const place = at - from;
    if (place < 0 || place > raw.length) continue;
    result += raw.slice(done, place) + sign;
    done = place;
  }
  if (!result) return raw;
  result += raw.slice(done);
  // Between `!` and `[`, say, a sign would make another element of it.
  return markupOf(result).replace(SIGNS, "") === markupOf(raw) ? result : raw;
}

/** From code points, which the service counts, to what JavaScript counts. */
function unitsOf(text: string): (point: number) => number {
  const points = [...text];
  if (points.length === text.length) return (point) => point;
  const places = [0];
  for (const point of points) places.push((places.at(-1) ?? 0) + point.length);
  return (point) => places[point] ?? text.length;
}

export interface Decoration {
  citations: ReadonlyMap<number, Citation>;
  /** The accessible name of a marker. */
  name(citation: Citation): string;
}

/** Replaces the signs in `root` by elements; markers only where their citation is known, and at most `most`.

 * Returns how many markers it made.
 */
export function decorate(root: DocumentFragment, decoration: Decoration, most: number): number {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) texts.push(walker.currentNode as Text);
  let wrap = "";
  let made = 0;
  for (const node of texts) {
    const pieces = node.data.split(PIECES);
    if (pieces.length === 1 && !wrap) continue;
    const linked = node.parentElement?.closest("a");
    const nodes = pieces.flatMap((piece): Node[] => {
      if (piece === DOUBT || piece === SHORT || piece === OFF) {
        wrap = piece === OFF ? "" : piece;
        return [];
      }
      const number = piece.startsWith("[") && !linked && made < most ? Number(piece.slice(1, -1)) : 0;
      const citation = decoration.citations.get(number);
      if (!citation) return piece ? [wrapped(piece, wrap)] : [];
      made += 1;
      return [marker(citation, decoration.name(citation))];
    });
    node.replaceWith(...nodes);
  }
  return made;
}

function wrapped(text: string, sign: string): Node {
  if (!sign) return document.createTextNode(text);
  const element = document.createElement(sign === SHORT ? "mark" : "span");
  element.className = sign === SHORT ? "short" : "unsupported";
  element.setAttribute("part", sign === SHORT ? "short-answer" : "unsupported");
  element.textContent = text;
  return element;
}

function marker(citation: Citation, name: string): HTMLElement {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "marker";
  button.setAttribute("part", "marker");
  button.dataset.marker = button.textContent = String(citation.marker);
  button.ariaLabel = name;
  button.ariaHasPopup = "dialog";
  return button;
}

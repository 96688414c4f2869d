/** The stored text of a document as elements, cut into sections that the browser lays out when they come near. */

import { element } from "../shared/dom.js";

const SECTION_LENGTH = 6000;
const CHARACTERS_PER_LINE = 72;
const LINE_HEIGHT = 26;

/**
 * Draw a source into `target` with `[start, end)` marked, and return the first mark, or null.
 * Every character of the text is there and in its place; only its layout is ours.
 */
export function drawSource(target, source, start, end) {
  const { text } = source;
  const points = [start, end, ...source.headings.map((h) => h.start), ...source.pages.map((p) => p.start)];
  const unitOf = codeUnits(text, points.filter((point) => point !== undefined));
  const mark = { start: unitOf(start), end: unitOf(end) };
  const headings = source.headings.map((heading) => ({ ...heading, start: unitOf(heading.start) }));
  const pages = source.pages.map((page) => ({ number: page.number, start: unitOf(page.start) }));

  let heading = 0;
  const sections = sectionsOf(text, pages).map((section) => {
    const inside = [];
    for (; heading < headings.length && headings[heading].start < section.end; heading += 1) {
      inside.push(headings[heading]);
    }
    return drawSection(text, section, inside, mark);
  });
  target.replaceChildren(...sections);
  return target.querySelector("mark");
}

/** From code points, which the API counts, to UTF-16 units, which JavaScript counts, in one walk. */
export function codeUnits(text, points) {
  // Without surrogate pairs the two are the same, as in nearly every document.
  if (!/[\ud800-\udbff]/.test(text)) return (point) => point;
  const units = new Map();
  let unit = 0;
  let reached = 0;
  for (const point of [...points].sort((a, b) => a - b)) {
    for (; reached < point && unit < text.length; reached += 1) unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
    units.set(point, unit);
  }
  return (point) => units.get(point);
}

/** The pages, or pieces of a length that can be laid out at once; they tile the text. */
export function sectionsOf(text, pages) {
  const starts = pages.map(({ number, start }, index) => ({ start: index ? start : 0, page: number }));
  if (!starts.length) starts.push({ start: 0 });
  return starts.flatMap(({ start, page }, index) => {
    const end = starts[index + 1]?.start ?? text.length;
    const pieces = [];
    let from = start;
    do {
      const to = pieceEnd(text, from, end);
      pieces.push({ start: from, end: to, page: from === start ? page : undefined });
      from = to;
    } while (from < end);
    return pieces;
  });
}

/** After the first line break past the wished length; a text without line breaks stays whole. */
function pieceEnd(text, start, end) {
  if (end - start <= SECTION_LENGTH * 1.5) return end;
  const at = text.indexOf("\n", start + SECTION_LENGTH);
  return at < 0 || at >= end ? end : at + 1;
}

function drawSection(text, { start, end, page }, headings, mark) {
  const section = element("section");
  const lines = Math.ceil((end - start) / CHARACTERS_PER_LINE) + 1;
  section.style.setProperty("contain-intrinsic-block-size", `auto ${lines * LINE_HEIGHT}px`);
  if (page !== undefined) section.append(element("p", { className: "page" }, `Page ${page}`));
  let at = start;
  for (const heading of headings) {
    const lineEnd = text.indexOf("\n", heading.start);
    const after = lineEnd < 0 ? end : Math.min(lineEnd + 1, end);
    if (heading.start < at || after <= heading.start) continue;
    appendText(section, text, at, heading.start, mark);
    const line = element(`h${Math.min(heading.level + 2, 6)}`);
    appendText(line, text, heading.start, after, mark);
    section.append(line);
    at = after;
  }
  appendText(section, text, at, end, mark);
  return section;
}

/** Append `text[start:end)` with whatever of the mark lies in it. */
function appendText(target, text, start, end, mark) {
  const from = Math.max(start, mark.start ?? end);
  const to = Math.min(end, mark.end ?? start);
  if (from >= to) {
    target.append(text.slice(start, end));
    return;
  }
  target.append(text.slice(start, from), element("mark", {}, text.slice(from, to)), text.slice(to, end));
}

/** The text of an answer as elements: paragraphs, lists, code, bold, and markers that open their source. */

import { element } from "../shared/dom.js";

const INLINE = /\[(\d{1,4})\]|`([^`\n]+)`|\*\*(?=\S)((?:[^*]|\*(?!\*))+?)(?<=\S)\*\*/g;
const ITEM = /^\s*(?:[-*•]|(\d{1,3})[.)])\s+(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;
const FENCE = /^\s*```/;

/**
 * Shows a text that grows. Blocks that stay the same keep their elements, so that a selection, or the
 * focus on a marker, outlives the next words.
 */
export class AnswerText {
  constructor(target) {
    this.target = target;
    this.shown = [];
  }

  /** Show `text`; a marker is a button only where `citations` (a Map by number) knows it. */
  show(text, citations) {
    const blocks = blocksOf(text);
    blocks.forEach((block, index) => {
      const key = JSON.stringify([block, markersIn(block, citations)]);
      const before = this.shown[index];
      if (before?.key === key) return;
      const made = { key, node: blockElement(block, citations) };
      if (before) before.node.replaceWith(made.node);
      else this.target.append(made.node);
      this.shown[index] = made;
    });
    for (const { node } of this.shown.splice(blocks.length)) node.remove();
  }
}

/** A quote in three parts: before the short answer, the short answer, after it. Offsets count code points. */
export function parted(citation, short) {
  const letters = [...citation.quote];
  const [first, last] = [short.start - citation.start, short.end - citation.start];
  return [letters.slice(0, first), letters.slice(first, last), letters.slice(last)].map((part) => part.join(""));
}

/** Make the short answer stand out in the shown text, where its sentence stands there as it was quoted. */
export function emphasise(target, short, citations) {
  const citation = citations.find((one) => one.marker === short.marker);
  const block = target.querySelector(`[data-marker="${short.marker}"]`)?.closest("p, li");
  if (!citation || !block) return;
  const [before, words] = parted(citation, short);
  for (const node of block.childNodes) {
    const quote = node.nodeType === Node.TEXT_NODE ? node.data.indexOf(citation.quote) : -1;
    if (quote < 0) continue;
    const rest = node.splitText(quote + before.length);
    rest.splitText(words.length);
    rest.replaceWith(element("strong", {}, words));
    return;
  }
}

/** Which markers of a block are known by now: a block must be drawn anew when that changes. */
function markersIn(block, citations) {
  const numbers = block.lines.join("\n").matchAll(/\[(\d{1,4})\]/g);
  return [...numbers].map(([, number]) => Number(number)).filter((number) => citations.has(number));
}

/** Cut a text into blocks `{kind, lines}`; a line break begins a new paragraph. */
function blocksOf(text) {
  const blocks = [];
  let open = null;
  for (const line of text.split("\n")) {
    if (open?.kind === "code") {
      if (!FENCE.test(line)) {
        open.lines.push(line);
        continue;
      }
      open = null;
      const after = line.replace(FENCE, "").trim();
      if (after) blocks.push({ kind: "paragraph", lines: [after] });
      continue;
    }
    const item = ITEM.exec(line);
    if (FENCE.test(line)) {
      open = { kind: "code", lines: [] };
      blocks.push(open);
    } else if (item) {
      const kind = item[1] ? "numbers" : "bullets";
      if (open?.kind !== kind) {
        open = { kind, lines: [], first: Number(item[1] ?? 1) };
        blocks.push(open);
      }
      open.lines.push(item[2]);
    } else if (line.trim()) {
      const heading = HEADING.exec(line);
      blocks.push({ kind: heading ? "heading" : "paragraph", lines: [heading ? heading[1] : line.trim()] });
      open = null;
    }
  }
  return blocks;
}

function blockElement({ kind, lines, first }, citations) {
  const items = () => lines.map((line) => element("li", {}, ...inline(line, citations)));
  switch (kind) {
    case "code":
      return element("pre", {}, element("code", {}, lines.join("\n")));
    case "bullets":
      return element("ul", {}, ...items());
    case "numbers":
      return element("ol", { start: first }, ...items());
    case "heading":
      return element("h3", {}, ...inline(lines[0], citations));
    default:
      return element("p", {}, ...inline(lines[0], citations));
  }
}

/** The parts of one line. Pairs that are not closed yet stay as they are written. */
function inline(line, citations) {
  const parts = [];
  let end = 0;
  for (const found of line.matchAll(INLINE)) {
    const [whole, number, code, bold] = found;
    if (found.index > end) parts.push(line.slice(end, found.index));
    end = found.index + whole.length;
    if (code) parts.push(element("code", {}, code));
    else if (bold) parts.push(element("strong", {}, ...inline(bold, citations)));
    else parts.push(citations.has(Number(number)) ? marker(citations.get(Number(number))) : whole);
  }
  parts.push(line.slice(end));
  return parts;
}

function marker(citation) {
  const button = element("button", { type: "button", className: "marker" }, String(citation.marker));
  button.dataset.marker = citation.marker;
  button.setAttribute("aria-label", `Source ${citation.marker}: ${citation.title}`);
  return element("sup", {}, button);
}

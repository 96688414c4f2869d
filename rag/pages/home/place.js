/** A place in a document: how it reads, and how it is written in the address of the page. */

/** The fragment that opens a place; `start` and `end` count code points, as everywhere in the API. */
export function hashOf({ document_id, version, start, end }) {
  const fields = new URLSearchParams({ source: document_id });
  if (version) fields.set("version", version);
  if (end) {
    fields.set("start", start);
    fields.set("end", end);
  }
  return `#${fields}`;
}

/** The place that a fragment names, or null. */
export function placeIn(hash) {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  const document_id = fields.get("source");
  if (!document_id) return null;
  const [start, end] = [Number(fields.get("start")), Number(fields.get("end"))];
  const range = Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end;
  return { document_id, version: fields.get("version"), ...(range ? { start, end } : {}) };
}

/** Where in its document a citation stands, in words; empty when nothing is known. */
export function whereabouts({ title, headings, page }) {
  const path = headings.filter((heading) => heading !== title).join(" › ");
  return [path, page ? `page ${page}` : ""].filter(Boolean).join(" · ");
}

/** Whether a document is source code, which is shown as it is written. */
export const isCode = ({ media_type }) => media_type === "text/x-source";

/** The page and the headings that enclose an offset in code points, as the service computes them for a citation. */
export function placeAt({ title, pages, headings }, offset) {
  const path = [];
  for (const heading of headings.filter(({ start }) => start <= offset)) {
    while (path.length && path.at(-1).level >= heading.level) path.pop();
    path.push(heading);
  }
  const page = pages.findLast(({ start }) => start <= offset)?.number;
  return { title, page, headings: path.map((heading) => heading.title) };
}

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

/** Addresses of the source view. */
import type { Citation, Hit, NearestDocument } from "../types/index.js";

/** Citations that travel in an address, so that it stays one that every browser takes. */
const MOST_CITES = 30;

export function sourceUrl(endpoint: string, place: Citation | Hit | NearestDocument): string {
  const address = `${endpoint}source/${encodeURIComponent(place.document_id)}`;
  if (!("version" in place)) return address;
  const { version, start, end } = place;
  return `${address}?${new URLSearchParams({ version, start: String(start), end: String(end) })}`;
}

/** The same with the other citations of the answer, for stepping through them there. */
export function citationUrl(endpoint: string, citation: Citation, all: readonly Citation[]): string {
  const index = all.indexOf(citation);
  const first = Math.max(0, Math.min(index - MOST_CITES / 2, all.length - MOST_CITES));
  const near = all.slice(first, first + MOST_CITES).map(({ document_id, version, start, end, title, marker }) => {
    return { document_id, version, start, end, title: title.slice(0, 80), marker };
  });
  const bytes = new TextEncoder().encode(JSON.stringify(near));
  const encoded = btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  return `${sourceUrl(endpoint, citation)}#cites=${encoded}&at=${Math.max(0, index - first)}`;
}

/** The token goes along in the fragment, which no server sees; the source view takes it out at once. */
export function withToken(url: string, token: string | null): string {
  return token ? `${url}${url.includes("#") ? "&" : "#"}token=${encodeURIComponent(token)}` : url;
}

/**
 * What the address says: the document and the range in path and query, the citations of the answer and, from
 * a page of another site, the token in the fragment, which no server and no log ever sees.
 */

const TOKEN = "citebox-token";
const IDENTITY = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const VERSION = /^[\w-]{1,128}$/;
const MOST_CITATIONS = 1000;
const LONGEST_TITLE = 300;
const LONGEST_QUOTE = 400;
const SHORTENED_QUOTE = 160;

/** Where the service is: the page may lie below a path of a proxy. */
export const ROOT = new URL("..", location.href);

/** What the address names now. `at` is the place's number among the citations, -1 when it is none of them. */
export function readAddress() {
  const query = new URLSearchParams(location.search);
  const fragment = new URLSearchParams(location.hash.slice(1));
  const place = placeOf({
    document_id: decoded(location.pathname.split("/").pop()),
    version: query.get("version"),
    start: number(query.get("start")),
    end: number(query.get("end")),
    quote: fragment.get("quote"),
  });
  const cites = fragment.get("cites") ?? "";
  const citations = citationsIn(cites);
  const told = number(fragment.get("at"));
  const at = isSame(citations[told], place) ? told : citations.findIndex((one) => isSame(one, place));
  return { place: { ...place, quote: place.quote ?? citations[at]?.quote }, cites, citations, at };
}

/** The address of a citation, with the others that it came with. */
export function addressOf(citation, cites, at) {
  const fragment = cites ? `#${new URLSearchParams({ cites, at })}` : "";
  return placeAddress(citation) + fragment;
}

/** An address to give away: it finds the words again when the document has changed. */
export function linkTo(place, quote) {
  const letters = [...(quote ?? "").trim()];
  const start = letters.slice(0, SHORTENED_QUOTE).join("");
  const shortened = letters.length > SHORTENED_QUOTE ? start.replace(/\s\S*$/, "") : start;
  return placeAddress(place) + (shortened ? `#${new URLSearchParams({ quote: shortened })}` : "");
}

function placeAddress({ document_id, version, start, end }) {
  const query = new URLSearchParams({ ...(version && { version }), ...(end && { start, end }) });
  return new URL(`source/${encodeURIComponent(document_id)}${query.size ? `?${query}` : ""}`, ROOT).href;
}

/** Take the token out of the address at once, and keep it for this tab. */
export function takeToken() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const token = fragment.get("token");
  if (token === null) return;
  fragment.delete("token");
  // The whole address: a path that begins with two slashes would name another host, and be refused.
  const address = new URL(location.href);
  address.hash = fragment.toString();
  history.replaceState(history.state, "", address);
  keepToken(token);
}

let kept = null;

/** The token of this tab, or an empty text. */
export function token() {
  if (kept === null) {
    try {
      kept = sessionStorage.getItem(TOKEN) ?? "";
    } catch {
      kept = ""; // storage is switched off
    }
  }
  return kept;
}

/** Keep a token, or with an empty one forget it. */
export function keepToken(value) {
  kept = value;
  try {
    if (value) sessionStorage.setItem(TOKEN, value);
    else sessionStorage.removeItem(TOKEN);
  } catch {
    // then it lasts as long as the page
  }
}

/** The citations of the fragment. It may come from anybody, so only what is a citation in every field stays. */
function citationsIn(cites) {
  try {
    const bytes = Uint8Array.from(atob(cites.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));
    const listed = JSON.parse(new TextDecoder().decode(bytes));
    if (!Array.isArray(listed)) return [];
    return listed.slice(0, MOST_CITATIONS).map(placeOf).filter(({ document_id, end }) => document_id && end);
  } catch {
    return [];
  }
}

function placeOf(given) {
  const { document_id, version, start, end, title, quote } = given ?? {};
  const range = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start < end;
  return {
    document_id: IDENTITY.test(document_id) ? document_id : "",
    version: VERSION.test(version ?? "") ? version : null,
    ...(range && { start, end }),
    title: typeof title === "string" ? title.slice(0, LONGEST_TITLE) : "",
    ...(typeof quote === "string" && quote.trim() && { quote: quote.slice(0, LONGEST_QUOTE) }),
  };
}

function isSame(one, other) {
  return Boolean(one) && ["document_id", "version", "start", "end"].every((key) => one[key] === other[key]);
}

function number(text) {
  return /^\d{1,12}$/.test(text ?? "") ? Number(text) : undefined;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

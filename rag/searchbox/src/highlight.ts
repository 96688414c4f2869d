/** Where a query's words stand in a text. Gives pieces of text; nothing here makes markup. */

export interface Piece {
  text: string;
  match: boolean;
}

const WORD = /[\p{L}\p{N}]+/gu;
const ENDINGS = /(?:ing|ed|es|s|en|e)$/;
const SHORTEST_STEM = 3;
const MOST_WORDS = 24;
const EMPTY = /^(..?|the|and|for|are|how|can|you|not|was|has|who|why|our|any|all|its|der|die|das|und|los|las|que)$/;

/** Finds words that begin as those of the query do; null when the query has none worth showing. */
export function matcher(query: string): RegExp | null {
  const words = [...new Set(query.toLowerCase().match(WORD) ?? [])].slice(0, MOST_WORDS);
  const telling = words.filter((word) => !EMPTY.test(word) || /\d/.test(word));
  const stems = (telling.length ? telling : words).map((word) => {
    const stem = word.replace(ENDINGS, "");
    return stem.length >= SHORTEST_STEM ? stem : word;
  });
  if (!stems.length) return null;
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${stems.join("|")})[\\p{L}\\p{N}]*`, "giu");
}

export function pieces(text: string, matches: RegExp | null): Piece[] {
  const found: Piece[] = [];
  let from = 0;
  for (const match of matches ? text.matchAll(matches) : []) {
    if (match.index > from) found.push({ text: text.slice(from, match.index), match: false });
    from = match.index + match[0].length;
    found.push({ text: match[0], match: true });
  }
  if (from < text.length) found.push({ text: text.slice(from), match: false });
  return found;
}

/** The stretch of `text` with the most matches, cut at words. */
export function excerpt(text: string, matches: RegExp | null, length: number): string {
  const flat = text.replace(/\s+/g, " ").trim();
  if (flat.length <= length) return flat;
  const places = matches ? [...flat.matchAll(matches)].map((match) => match.index) : [];
  let best = 0;
  let most = 0;
  for (const [at, place] of places.entries()) {
    const within = places.slice(at).filter((other) => other < place + length - 40).length;
    if (within > most) [most, best] = [within, place];
  }
  let start = Math.max(0, best - 30);
  if (start > 0) start = flat.indexOf(" ", start) + 1;
  const end = start + length;
  const cut = flat.slice(start, end);
  return (start > 0 ? "… " : "") + (end < flat.length ? cut.replace(/\s+\S*$/, " …") : cut);
}

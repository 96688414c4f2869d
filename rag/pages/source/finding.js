/** A quote in another version of its document, where the words may be set otherwise. */

/**
 * The range of `text` with the words of `quote`, in code points, or null. Of several, the nearest to `near`;
 * a quote that is there only in its beginning is found by that.
 */
export function findQuote(text, quote, near = 0) {
  const words = quote.trim().split(/\s+/).filter(Boolean);
  for (const some of [words, words.slice(0, 12), words.slice(0, 6)]) {
    if (some.length < Math.min(words.length, 6)) break;
    const found = nearest(text, some, near);
    if (found) return { ...found, whole: some.length === words.length };
  }
  return null;
}

function nearest(text, words, near) {
  const pattern = new RegExp(words.map(escaped).join("\\s+"), "gu");
  let best = null;
  for (const match of text.matchAll(pattern)) {
    const distance = Math.abs(match.index - near);
    if (best && distance >= best.distance) break; // from here on they only go further away
    best = { distance, match };
  }
  if (!best) return null;
  const start = points(text.slice(0, best.match.index));
  return { start, end: start + points(best.match[0]) };
}

function escaped(word) {
  return word.replace(/[\\^$.*+?()[\]{}|/-]/g, (sign) => (sign === "-" ? "\\x2d" : `\\${sign}`));
}

function points(text) {
  let count = 0;
  for (const one of text) count += one ? 1 : 0;
  return count;
}

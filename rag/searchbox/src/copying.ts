/** An answer with its sources as text for another program. */
import type { Citation } from "../types/index.js";
import type { Texts } from "./strings/index.js";

export function withSources(text: string, citations: readonly Citation[], texts: Texts, url: (c: Citation) => string): string {
  const { strings } = texts;
  if (!citations.length) return text;
  const lines = citations.map((citation) => {
    const place = [citation.title, ...citation.headings.filter((heading) => heading !== citation.title)];
    if (citation.page !== null) place.push(texts.fill(strings.page, { n: citation.page }));
    return `[${citation.marker}] ${place.join(" › ")}\n    “${citation.quote.replace(/\s+/g, " ").trim()}”\n    ${url(citation)}`;
  });
  return `${text}\n\n${strings.sources}\n${lines.join("\n")}\n`;
}

/** Whether the text is in the clipboard; `near` is where a field may stand for browsers without the new way. */
export async function copied(text: string, near: Element): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.className = "hidden-text";
    field.value = text;
    const held = (near.getRootNode() as ShadowRoot).activeElement;
    near.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    (held as HTMLElement | null)?.focus();
    return done;
  }
}

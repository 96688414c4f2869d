/** What can be chosen below the field: recent questions and examples first, passages while the reader types. */
import { html, nothing, type TemplateResult } from "lit";
import type { Hit } from "../../types/index.js";
import { excerpt, matcher, pieces } from "../highlight.js";
import type { Panel } from "../panel.js";
import type { Texts } from "../strings/index.js";
import { icon } from "./icons.js";

const SNIPPET = 170;

export type Option = { kind: "recent" | "example"; question: string } | { kind: "hit"; hit: Hit };

export function suggestionsView(panel: Panel, options: readonly Option[]): TemplateResult {
  const { texts, asking } = panel.box;
  const { state } = asking;
  const { strings } = texts;
  const query = state.query.trim();
  const none = query && state.hitsOf === query && !state.hits.length && !state.searchTrouble;
  const trouble = query ? state.searchTrouble : null;
  const recents = options.some(({ kind }) => kind === "recent");
  return html`
    ${query
      ? html`<button type="button" class="ask-row" part="ask-row" tabindex="-1" @click=${() => void panel.ask(query)}>
          ${icon("ask")}<span class="clip">${texts.fill(strings.askFor, { query })}</span>${icon("enter")}
        </button>`
      : nothing}
    ${options.length
      ? html`<div role="listbox" id="list" class="list" part="list" aria-label=${strings.suggestions}>
          ${group(panel, options, "recent", strings.recents)} ${group(panel, options, "example", strings.examples)}
          ${options.map((option, index) => (option.kind === "hit" ? hitView(panel, option, index) : nothing))}
        </div>`
      : nothing}
    ${none ? html`<p class="quiet">${strings.noPassages}</p>` : nothing}
    ${trouble
      ? html`<p class="quiet" part="error" data-kind=${trouble.kind}>
          ${icon("alert")}<span>${strings.troubles[trouble.kind].title}</span>
        </p>`
      : nothing}
    ${recents
      ? html`<button type="button" class="link clear" @click=${panel.clearRecents}>${strings.clearRecents}</button>`
      : nothing}
  `;
}

function group(panel: Panel, options: readonly Option[], kind: "recent" | "example", title: string): TemplateResult | typeof nothing {
  const { state } = panel.box.asking;
  if (!options.some((option) => option.kind === kind)) return nothing;
  return html`<div role="group" aria-label=${title}>
    <div class="group" aria-hidden="true">${title}</div>
    ${options.map((option, index) =>
      option.kind === kind
        ? html`<div
            role="option"
            id="option-${index}"
            class="option question"
            part="suggestion"
            aria-selected=${state.active === index}
            @click=${(event: Event) => panel.choose(option, event)}
          >
            ${icon(kind === "recent" ? "clock" : "ask")}<span class="clip" dir="auto">${option.question}</span>
          </div>`
        : nothing,
    )}
  </div>`;
}

function hitView(panel: Panel, option: Option & { kind: "hit" }, index: number): TemplateResult {
  const { hit } = option;
  const { texts, asking } = panel.box;
  const matches = matcher(asking.state.hitsOf ?? "");
  return html`<a
    role="option"
    id="option-${index}"
    class="option hit"
    part="hit"
    tabindex="-1"
    target="_blank"
    rel="noopener"
    href=${panel.box.url(hit)}
    aria-selected=${asking.state.active === index}
    @click=${(event: Event) => panel.choose(option, event)}
    @auxclick=${(event: Event) => panel.choose(option, event)}
  >
    ${icon("document")}
    <span class="hit-text" dir="auto">
      <span class="hit-title"><b class="clip">${marked(hit.title, matches)}</b>${placeView(hit, texts)}</span>
      <span class="snippet">${marked(excerpt(withoutHeading(hit), matches, SNIPPET), matches)}</span>
    </span>
  </a>`;
}

/** Headings below the title and the page, each only where there is one. */
export function placeView(
  place: { title: string; headings: string[]; page: number | null },
  texts: Texts,
): TemplateResult | typeof nothing {
  const headings = place.headings.filter((heading) => heading !== place.title);
  const page = place.page === null ? null : texts.fill(texts.strings.page, { n: place.page });
  if (!headings.length && !page) return nothing;
  return html`<span class="place"
    ><span class="clip" title=${headings.join(" › ")}>${headings.at(-1) ?? ""}</span>${page ? html`<span class="page">${page}</span>` : nothing}</span
  >`;
}

/** Chunks begin with their heading, which stands above them already. */
function withoutHeading({ text, headings }: Hit): string {
  const heading = headings.at(-1);
  return heading && text.startsWith(heading) && text.length > heading.length + 40 ? text.slice(heading.length) : text;
}

function marked(text: string, matches: RegExp | null): (string | TemplateResult)[] {
  return pieces(text, matches).map((piece) => (piece.match ? html`<mark>${piece.text}</mark>` : piece.text));
}

/** What went wrong, in clear words, and the way on. */
import { html, nothing, type TemplateResult } from "lit";
import { MOST_CHARACTERS } from "../asking.js";
import type { Texts } from "../strings/index.js";
import type { Trouble } from "../trouble.js";
import { icon } from "./icons.js";

export function troubleView(trouble: Trouble, texts: Texts, signIn: string, retry: (() => void) | null): TemplateResult {
  const { strings } = texts;
  const { title, text } = strings.troubles[trouble.kind];
  const wait = Math.ceil((trouble.retryAt - Date.now()) / 1000);
  const again = wait > 0 ? texts.fill(strings.retryIn, { seconds: texts.seconds(wait * 1000) }) : strings.retry;
  // The service's own words say more only where ours say little.
  const detail = trouble.kind === "error" || trouble.kind === "forbidden" ? trouble.detail : null;
  return html`<div class="trouble" part="error" data-kind=${trouble.kind}>
    ${icon("alert")}
    <div>
      <p class="trouble-title">${title}</p>
      <p>${texts.fill(text, { limit: MOST_CHARACTERS })}</p>
      ${detail ? html`<p lang="en" dir="auto" class="detail">${detail}</p>` : nothing}
      ${trouble.requestId ? html`<p class="detail">${texts.fill(strings.request, { id: trouble.requestId })}</p>` : nothing}
      <p class="ways">
        ${trouble.kind === "expired" && signIn
          ? html`<a class="button primary" href=${signIn}>${strings.signIn}</a>`
          : nothing}
        ${retry
          ? html`<button type="button" class="button" part="retry" aria-disabled=${wait > 0} @click=${() => wait > 0 || retry()}>
              ${again}
            </button>`
          : nothing}
      </p>
    </div>
  </div>`;
}

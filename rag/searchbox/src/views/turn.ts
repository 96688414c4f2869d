/** A question and its answer, in every state it can be in. */
import { html, nothing, type TemplateResult } from "lit";
import type { NearestDocument, Rating } from "../../types/index.js";
import type { Panel } from "../panel.js";
import { BUSY, type Turn } from "../state.js";
import type { Texts } from "../strings/index.js";
import { feedbackForm } from "./feedback.js";
import { type Icon, icon } from "./icons.js";
import { placeView } from "./suggestions.js";
import { troubleView } from "./trouble.js";

const NAMED = 2;

export function turnView(panel: Panel, turn: Turn): TemplateResult {
  const { texts } = panel.box;
  const { strings } = texts;
  const { answer, phase } = turn;
  const ended = answer !== null;
  const unsupported = answer?.grounding?.sentences.some(({ supported }) => !supported) ?? false;
  const understood = answer?.question && answer.question !== turn.question ? answer.question : null;
  return html`<article
    class="turn"
    part="turn"
    data-phase=${phase}
    aria-labelledby="question-${turn.key}"
    aria-busy=${BUSY.has(phase)}
  >
    <h2 id="question-${turn.key}" class="question-title" part="question" dir="auto">${turn.question}</h2>
    ${stateLine(turn, texts)}
    <div dir="auto">${panel.prose(turn).element}</div>
    ${turn.trouble && phase !== "stopped"
      ? troubleView(turn.trouble, texts, panel.box.signIn, BUSY.has(phase) ? null : () => panel.retry(turn))
      : nothing}
    ${phase === "stopped"
      ? html`<p><button type="button" class="button" part="retry" @click=${() => panel.retry(turn)}>${strings.retry}</button></p>`
      : nothing}
    ${unsupported ? html`<p class="legend"><span class="unsupported">${strings.unsupported}</span></p>` : nothing}
    ${understood ? html`<p class="legend" dir="auto">${texts.fill(strings.understoodAs, { question: understood })}</p>` : nothing}
    ${answer?.notice ? html`<p class="notice" part="notice" lang="en" dir="auto">${icon("alert")}<span>${answer.notice}</span></p>` : nothing}
    ${answer?.nearest.length ? nearestView(panel, answer.nearest) : nothing}
    ${BUSY.has(phase) || phase === "failed" ? nothing : sourcesView(panel, turn)}
    ${ended ? footerView(panel, turn) : nothing}
  </article>`;
}

function stateLine(turn: Turn, texts: Texts): TemplateResult {
  const [sign, text] = stateOf(turn, texts);
  return html`<p class="state" part="status" data-phase=${turn.phase}>
    ${sign ? icon(sign) : html`<span class="pulse" aria-hidden="true"></span>`}<span class="clip" dir="auto">${text}</span>
  </p>`;
}

/** What goes on, in a line that keeps its place from the first moment to the last. */
export function stateOf(turn: Turn, texts: Texts): [Icon | null, string] {
  const { strings } = texts;
  switch (turn.phase) {
    case "retrieving":
      return [null, turn.trouble ? strings.troubles[turn.trouble.kind].title : strings.retrieving];
    case "reading": {
      if (turn.progress) return [null, texts.fill(strings.progress, turn.progress)];
      const names = texts.list(turn.documents.slice(0, NAMED));
      const rest = turn.documents.length - NAMED;
      if (!names) return [null, strings.retrieving];
      if (rest > 0) return [null, texts.count(strings.readingMore, rest, { names })];
      return [null, texts.fill(strings.reading, { names })];
    }
    case "streaming":
      return [null, strings.writing];
    case "done": {
      const documents = new Set([...turn.citations.values()].map((citation) => citation.document_id));
      return ["check", texts.count(strings.answeredFrom, documents.size)];
    }
    case "not_found":
      return ["search", strings.notFound];
    case "clarification":
      return ["ask", strings.clarification];
    case "stopped":
      return ["stop", strings.stopped];
    case "incomplete":
      return ["alert", strings.incomplete];
    case "failed":
      return ["alert", strings.failed];
  }
}

function nearestView(panel: Panel, nearest: NearestDocument[]): TemplateResult {
  const { texts } = panel.box;
  return html`<section class="sources" part="nearest">
    <h3>${texts.strings.nearest}</h3>
    <ul>
      ${nearest.map(
        (place) => html`<li>
          <a class="source" href=${panel.box.url(place)} target="_blank" rel="noopener" @click=${(event: Event) => panel.box.follow(place, panel.box.url(place), event)} @auxclick=${(event: Event) => panel.box.follow(place, panel.box.url(place), event)}>
            ${icon("document")}
            <span class="hit-text" dir="auto"><b class="clip">${place.title}</b>${placeView(place, texts)}</span>
            ${icon("out")}<span class="vh">${texts.strings.newTab}</span>
          </a>
        </li>`,
      )}
    </ul>
  </section>`;
}

function sourcesView(panel: Panel, turn: Turn): TemplateResult | typeof nothing {
  const { texts } = panel.box;
  const { strings } = texts;
  const all = [...turn.citations.values()];
  if (!all.length) return nothing;
  const few = all.slice(0, panel.shown(turn));
  const rest = all.length - few.length;
  return html`<section class="sources" part="sources">
    <h3>${strings.sources}</h3>
    <ol>
      ${few.map(
        (citation) => html`<li part="source">
          <button
            type="button"
            class="source"
            aria-haspopup="dialog"
            @click=${(event: Event) => panel.pin(turn, citation, event.currentTarget as Element)}
          >
            <span class="number">${citation.marker}</span>
            <span class="hit-text" dir="auto">
              <span class="hit-title"><b class="clip">${citation.title}</b>${placeView(citation, texts)}</span>
              <span class="quote">${citation.quote}</span>
            </span>
          </button>
        </li>`,
      )}
    </ol>
    ${rest > 0
      ? html`<button type="button" class="link" @click=${() => panel.showMore(turn)}>${texts.count(strings.more, rest)}</button>`
      : nothing}
  </section>`;
}

function footerView(panel: Panel, turn: Turn): TemplateResult {
  const { copied } = panel;
  const { texts } = panel.box;
  const { strings } = texts;
  const copy = copied?.key === turn.key ? copied : null;
  const rating = (value: Rating, name: string): TemplateResult => html`<button
    type="button"
    class="tool ${value}"
    part="thumb"
    aria-label=${name}
    title=${name}
    aria-pressed=${turn.rating === value}
    @click=${() => panel.rate(turn, value, [], null, value === "up")}
  >
    ${icon("thumb")}
  </button>`;
  return html`<footer class="foot" part="footer">
      <span class="meta" part="meta">${metaOf(turn, texts, panel.box.cost)}</span>
      ${turn.citations.size
        ? html`<button type="button" class="tool" part="copy" aria-label=${strings.copy} title=${strings.copy} @click=${() => panel.copy(turn)}>
            ${icon(copy?.done ? "check" : "copy")}
          </button>`
        : nothing}
      ${panel.box.asking.state.takesFeedback ? [rating("up", strings.good), rating("down", strings.bad)] : nothing}
    </footer>
    ${copy ? html`<p class="aside">${copy.done ? strings.copied : strings.copyFailed}</p>` : nothing}
    ${feedbackForm(panel, turn)}`;
}

export function metaOf(turn: Turn, texts: Texts, cost: boolean): string {
  const { strings } = texts;
  const receipt = turn.answer?.receipt;
  if (!receipt) return "";
  const time = texts.seconds(turn.milliseconds);
  const { model } = receipt;
  const parts = [model === "none" ? time : texts.fill(model === "extractive" ? strings.quoted : strings.by, { model, time })];
  if (receipt.cached) parts.push(strings.cached);
  if (cost) parts.push(texts.dollars(receipt.usd));
  return parts.join(" · ");
}

/** The dialog or the card in the page: the field, what stands below it, and what a screen reader hears. */
import { html, nothing, type TemplateResult } from "lit";
import { excess } from "../asking.js";
import { labels } from "../keyboard.js";
import type { Panel } from "../panel.js";
import { busyTurn } from "../state.js";
import { icon } from "./icons.js";
import { type Option, suggestionsView } from "./suggestions.js";
import { troubleView } from "./trouble.js";
import { turnView } from "./turn.js";

export function boxView(panel: Panel): TemplateResult {
  const { box } = panel;
  const { texts } = box;
  const { strings } = texts;
  const inline = box.mode === "inline";
  const { shown, spoken } = labels(box.shortcut ?? "");
  const trigger = html`<slot name="trigger" @click=${() => box.open()}>
    <button type="button" class="trigger" part="trigger" aria-haspopup="dialog" aria-keyshortcuts=${spoken || nothing}>
      ${icon("search")}<span class="clip">${box.placeholder || strings.trigger}</span>
      ${shown ? html`<kbd aria-hidden="true">${shown}</kbd>` : nothing}
    </button>
  </slot>`;
  return html`<div class="root" dir=${texts.direction} lang=${texts.language} data-theme=${box.theme} data-mode=${box.mode}>
    ${inline
      ? html`<div class="frame" role="search" aria-label=${strings.label}>${panelView(panel)}</div>`
      : html`${trigger}
          <dialog
            part="dialog"
            aria-label=${strings.label}
            @click=${(event: Event) => event.target === event.currentTarget && panel.close()}
            @wheel=${panel.wheeled}
            @cancel=${panel.cancelled}
            @close=${panel.closed}
          >
            ${panelView(panel)}
          </dialog>`}
  </div>`;
}

function panelView(panel: Panel): TemplateResult {
  const { box } = panel;
  const { state } = box.asking;
  const { strings } = box.texts;
  const talking = state.turns.length > 0;
  const options = panel.options();
  const over = excess(state.query.trim());
  const busy = busyTurn(state) !== null;
  const reply = state.turns.at(-1)?.phase === "clarification" ? strings.reply : strings.followUp;
  return html`<div class="panel" part="panel" data-view=${talking ? "answer" : "search"} @keydown=${panel.keys}>
    <div class="bar" part="bar">
      ${talking
        ? html`<button type="button" class="tool" part="new-search" aria-label=${strings.newSearch} title=${strings.newSearch} @click=${panel.newSearch}>
            ${icon("back")}
          </button>`
        : html`<span class="lead">${icon("search")}</span>`}
      <input
        part="input"
        type="text"
        role="combobox"
        aria-autocomplete="list"
        aria-controls="list"
        aria-expanded=${options.length > 0}
        aria-activedescendant=${state.active >= 0 ? `option-${state.active}` : nothing}
        aria-label=${strings.label}
        aria-describedby=${over ? "over" : nothing}
        aria-invalid=${over > 0}
        placeholder=${talking ? reply : box.text("placeholder")}
        autocomplete="off"
        autocapitalize="off"
        spellcheck="false"
        enterkeyhint="send"
        dir=${state.query ? "auto" : box.texts.direction}
        @input=${panel.typed}
        @focus=${() => box.mode === "inline" && void box.greet()}
      />
      ${busy
        ? html`<button type="button" class="button" part="stop" @click=${panel.stop}>${icon("stop")}${strings.stop}</button>`
        : html`<button
            type="button"
            class="button primary"
            part="ask"
            aria-disabled=${!state.query.trim() || over > 0}
            @click=${() => void panel.ask(state.query)}
          >
            ${strings.ask}
          </button>`}
      ${box.mode === "inline"
        ? nothing
        : html`<button type="button" class="tool" part="close" aria-label=${strings.close} title=${strings.close} @click=${() => panel.close()}>
            ${icon("close")}
          </button>`}
    </div>
    ${over
      ? html`<p id="over" class="over" part="error" role="alert" data-kind="too_long">
          <b>${strings.troubles.too_long.title}</b> ${box.texts.count(strings.tooLongBy, over)}
        </p>`
      : nothing}
    <div
      class="body"
      part="body"
      @click=${panel.markerClicked}
      @pointerover=${panel.markerHovered}
      @pointerleave=${() => panel.preview.hover()}
    >
      ${talking ? state.turns.map((turn) => turnView(panel, turn)) : searchView(panel, options)}
    </div>
    <div class="hints" part="hints" aria-hidden="true">
      <span><kbd>↵</kbd>${strings.hintAsk}</span>
      ${talking ? nothing : html`<span><kbd>↑</kbd><kbd>↓</kbd>${strings.hintChoose}</span>`}
      ${box.mode === "inline" ? nothing : html`<span><kbd>esc</kbd>${strings.hintClose}</span>`}
    </div>
    <div class="vh" role="status" aria-live="polite">${panel.announced}</div>
    ${panel.preview.view()}
  </div>`;
}

function searchView(panel: Panel, options: Option[]): TemplateResult {
  const { box } = panel;
  const { gate, hits } = box.asking.state;
  if (gate && !hits.length) return troubleView(gate, box.texts, box.signIn, () => void box.greet(true));
  return suggestionsView(panel, options);
}

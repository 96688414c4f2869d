/** The card of a citation: shown while the pointer is on a marker, kept and focused once it is followed. */
import { html, nothing, type ReactiveController, type ReactiveControllerHost, type TemplateResult } from "lit";
import type { Citation } from "../types/index.js";
import type { Api, Marks } from "./api.js";
import type { Texts } from "./strings/index.js";
import { icon } from "./views/icons.js";

const SHOW_MS = 180;
const HIDE_MS = 220;
const PICTURE_WIDTH = 900;
const GAP = 8;
/** Height in which a card shows all it has to, the picture a little cut. */
const ENOUGH = 360;

export interface PreviewHost extends ReactiveControllerHost {
  readonly texts: Texts;
  readonly api: Api;
  readonly renderRoot: HTMLElement | DocumentFragment;
}

interface Shown {
  citation: Citation;
  url: string;
  anchor: Element;
  pinned: boolean;
  marks: Marks | null;
  picture: string;
  failed: boolean;
}

export class Preview implements ReactiveController {
  shown: Shown | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #loading: AbortController | null = null;

  constructor(
    private readonly host: PreviewHost,
    private readonly follow: (citation: Citation, url: string, event: Event) => void,
  ) {
    host.addController(this);
  }

  /** The pointer is on a marker, or has left it for `null`. */
  hover(citation?: Citation, url = "", anchor?: Element): void {
    clearTimeout(this.#timer);
    if (this.shown?.pinned) return;
    if (citation && anchor) {
      if (this.shown?.anchor === anchor) return;
      this.#timer = setTimeout(() => this.#show(citation, url, anchor, false), this.shown ? 0 : SHOW_MS);
    } else if (this.shown) this.#timer = setTimeout(() => this.hide(false), HIDE_MS);
  }

  pin(citation: Citation, url: string, anchor: Element): void {
    clearTimeout(this.#timer);
    this.#show(citation, url, anchor, true);
    void this.host.updateComplete.then(() => this.#card?.querySelector<HTMLElement>(".card-open")?.focus());
  }

  /** Whether there was a card to close; the focus goes back to where it came from. */
  hide(focus = true): boolean {
    clearTimeout(this.#timer);
    const { shown } = this;
    if (!shown) return false;
    this.#forget();
    this.shown = null;
    this.host.requestUpdate();
    if (focus && shown.pinned && shown.anchor instanceof HTMLElement) shown.anchor.focus();
    return true;
  }

  readonly #moved = (): void => this.place();

  hostConnected(): void {
    for (const type of ["scroll", "resize"]) window.addEventListener(type, this.#moved, { capture: true, passive: true });
  }

  hostDisconnected(): void {
    for (const type of ["scroll", "resize"]) window.removeEventListener(type, this.#moved, { capture: true });
    this.hide(false);
  }

  hostUpdated(): void {
    const card = this.#card;
    if (!card) return;
    const open = card.matches(":popover-open");
    if (this.shown && !open) card.showPopover();
    if (!this.shown && open) card.hidePopover();
    if (this.shown) {
      this.place();
      this.#mark(card);
    }
  }

  /** Puts the card at its marker: below where there is room for it or more than above, never past an edge. */
  place(): void {
    const card = this.#card;
    if (!card || !this.shown) return;
    const { citation, anchor } = this.shown;
    if (!anchor.isConnected) {
      // The block that still streams is built again and again, its markers with it.
      const same = this.host.renderRoot.querySelectorAll(`[data-marker="${citation.marker}"]`);
      this.shown.anchor = [...same].at(-1) ?? anchor;
    }
    const at = this.shown.anchor.getBoundingClientRect();
    const set = (name: string, pixels: number): void => card.style.setProperty(name, `${pixels}px`);
    const under = innerHeight - at.bottom - 2 * GAP;
    const over = at.top - 2 * GAP;
    const below = under >= ENOUGH || under >= over;
    set("--_room", below ? under : over);
    const { offsetWidth: width, offsetHeight: height } = card;
    set("--_top", below ? at.bottom + GAP : at.top - GAP - height);
    set("--_left", Math.min(Math.max(GAP, at.left + at.width / 2 - width / 2), innerWidth - width - GAP));
  }

  view(): TemplateResult {
    const { shown } = this;
    const { texts } = this.host;
    const { strings } = texts;
    const citation = shown?.citation;
    const path = citation?.headings.filter((heading) => heading !== citation.title).join(" › ");
    return html`<div
      class="card"
      part="preview"
      popover="manual"
      role="dialog"
      aria-label=${citation ? texts.fill(strings.source, { n: citation.marker, title: citation.title }) : nothing}
      @pointerenter=${() => clearTimeout(this.#timer)}
      @pointerleave=${() => this.hover()}
    >
      ${shown && citation
        ? html`<div class="card-head">
              <span class="number">${citation.marker}</span>
              <b dir="auto">${citation.title}</b>
              ${shown.pinned
                ? html`<button type="button" class="tool" aria-label=${strings.close} @click=${() => this.hide()}>${icon("close")}</button>`
                : nothing}
            </div>
            ${path || citation.page !== null
              ? html`<p class="card-place" dir="auto">
                  <span>${path}</span>${citation.page === null ? nothing : html`<span class="page">${texts.fill(strings.page, { n: citation.page })}${citation.ocr ? " · OCR" : nothing}</span>`}
                </p>`
              : nothing}
            <blockquote dir="auto" part="quote" tabindex="0">${citation.quote}</blockquote>
            ${citation.page !== null && !shown.failed ? this.#pictureView(shown, citation.page) : nothing}
            <a
              class="card-open"
              part="open"
              href=${shown.url}
              target="_blank"
              rel="noopener"
              @click=${(event: Event) => this.follow(citation, shown.url, event)}
              @auxclick=${(event: Event) => this.follow(citation, shown.url, event)}
              >${strings.open}${icon("out")}<span class="vh">${strings.newTab}</span></a
            >`
        : nothing}
    </div>`;
  }

  get #card(): HTMLElement | null {
    return this.host.renderRoot.querySelector(".card");
  }

  #pictureView(shown: Shown, page: number): TemplateResult {
    const name = this.host.texts.fill(this.host.texts.strings.pagePicture, { n: page });
    return html`<div class="picture" part="picture" role="img" aria-label=${name}>
      ${shown.picture && shown.marks
        ? html`<div class="sheet"><img alt="" src=${shown.picture} />${shown.marks.rectangles.map(() => html`<i></i>`)}</div>`
        : nothing}
    </div>`;
  }

  #show(citation: Citation, url: string, anchor: Element, pinned: boolean): void {
    if (this.shown?.citation === citation) {
      this.shown = { ...this.shown, anchor, pinned };
    } else {
      this.#forget();
      this.shown = { citation, url, anchor, pinned, marks: null, picture: "", failed: false };
      if (citation.page !== null) void this.#load(citation);
    }
    this.host.requestUpdate();
  }

  async #load(citation: Citation): Promise<void> {
    const controller = new AbortController();
    this.#loading = controller;
    const { api } = this.host;
    try {
      const [marks, blob] = await Promise.all([
        api.marks(citation, controller.signal),
        api.picture(citation, PICTURE_WIDTH, controller.signal),
      ]);
      if (controller.signal.aborted || !this.shown) return;
      this.shown = { ...this.shown, marks, picture: URL.createObjectURL(blob) };
    } catch {
      // The quote is there; a picture that is not needs no words.
      if (controller.signal.aborted || !this.shown) return;
      this.shown = { ...this.shown, failed: true };
    }
    this.host.requestUpdate();
  }

  #forget(): void {
    this.#loading?.abort();
    if (this.shown?.picture) URL.revokeObjectURL(this.shown.picture);
  }

  /** Lays the marks on the picture and moves the first into the window. */
  #mark(card: HTMLElement): void {
    const marks = this.shown?.marks;
    const sheet = card.querySelector<HTMLElement>(".sheet");
    if (!marks || !sheet) return;
    const percent = (part: number): string => `${(part * 100).toFixed(3)}%`;
    sheet.style.setProperty("aspect-ratio", `${marks.width} / ${marks.height}`);
    sheet.querySelectorAll("i").forEach((mark, index) => {
      const { left = 0, top = 0, width = 0, height = 0 } = marks.rectangles[index] ?? {};
      for (const [name, value] of Object.entries({ left, top, width, height })) mark.style.setProperty(name, percent(value));
    });
    const tops = marks.rectangles.map(({ top }) => top);
    const first = tops.length ? Math.min(...tops) : 0;
    const window = sheet.parentElement as HTMLElement;
    const room = window.clientHeight;
    const whole = sheet.offsetHeight;
    const shift = Math.min(Math.max(0, first * whole - room / 4), Math.max(0, whole - room));
    sheet.style.setProperty("transform", `translateY(${-shift}px)`);
  }
}

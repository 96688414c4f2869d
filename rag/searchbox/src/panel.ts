/** What the reader does in the box: opening, typing, choosing, asking, following; and where the focus goes. */
import type { Answer, Citation, Rating, Reason } from "../types/index.js";
import { AnswerView } from "./answer_view.js";
import { announcement } from "./announcing.js";
import { excess } from "./asking.js";
import { copied, withSources } from "./copying.js";
import type { RagSearch } from "./element.js";
import { isComposing, isSend } from "./keyboard.js";
import { citationUrl } from "./links.js";
import { Preview } from "./preview.js";
import { type Action, type Turn } from "./state.js";
import type { Option } from "./views/suggestions.js";

const FEW_SOURCES = 6;
const MORE_SOURCES = 50;
const TICK_MS = 1000;

export class Panel {
  readonly preview: Preview;
  readonly #prose = new Map<number, AnswerView>();
  readonly #shown = new Map<number, number>();
  copied: { key: number; done: boolean } | null = null;
  announced = "";
  #tick: ReturnType<typeof setTimeout> | undefined;
  #scrollTo = 0;
  #before: HTMLElement | null = null;

  constructor(readonly box: RagSearch) {
    this.preview = new Preview(box, (citation, url, event) => box.follow(citation, url, event));
  }

  get isOpen(): boolean {
    return this.#dialog?.open ?? false;
  }

  open(): void {
    const dialog = this.#dialog;
    if (dialog && !dialog.open) {
      this.#before = deepActive();
      dialog.showModal();
      this.box.requestUpdate();
    }
    this.field?.focus();
    this.field?.select();
  }

  close(): void {
    this.preview.hide(false);
    this.#dialog?.close();
  }

  async ask(wanted: string): Promise<Answer | null> {
    const question = wanted.trim();
    if (!question) return null;
    if (excess(question)) {
      this.box.asking.typed(wanted, false);
      this.field?.focus();
      return null;
    }
    this.preview.hide(false);
    this.box.recents.add(question);
    this.box.emit("rag-ask", { question, followUp: this.box.asking.state.conversation !== null });
    return this.box.asking.ask(question);
  }

  changed(action: Action): void {
    const { state } = this.box.asking;
    // These give way to others in the next rendering, and the focus would go with them.
    const held = (this.box.renderRoot as ShadowRoot | undefined)?.activeElement;
    if (held?.matches("[part=ask], [part=stop], .ask-row, .feedback button")) this.field?.focus();
    if (action.type === "asked") {
      this.#prose.delete(action.key);
      this.#scrollTo = action.key;
    }
    if (action.type === "new_search") {
      for (const kept of [this.#prose, this.#shown]) kept.clear();
    }
    this.announced = announcement(action, state, this.box.texts) ?? this.announced;
  }

  updated(): void {
    const { state } = this.box.asking;
    const field = this.field;
    if (field && field.value !== state.query) field.value = state.query;
    for (const turn of state.turns) {
      const view = this.prose(turn);
      const { answer, citations, text } = turn;
      if (!(answer ? view.finish(answer, citations) : view.stream(text, citations))) this.box.nextFrame();
    }
    if (this.#scrollTo) {
      const turn = this.#find(`#question-${this.#scrollTo}`)?.closest<HTMLElement>(".turn");
      const body = this.#find(".body");
      if (turn && body) body.scrollTop = state.turns.length > 1 ? turn.offsetTop - body.offsetTop : 0;
      this.#scrollTo = 0;
    }
    this.#find(`#option-${state.active}`)?.scrollIntoView({ block: "nearest" });
    clearTimeout(this.#tick);
    const last = state.turns.at(-1)?.trouble ?? state.gate;
    if (last && last.retryAt > Date.now()) this.#tick = setTimeout(() => this.box.requestUpdate(), TICK_MS);
  }

  options(): Option[] {
    const { state } = this.box.asking;
    if (state.turns.length || (state.gate && !state.hits.length)) return [];
    if (state.query.trim()) return state.hits.map((hit) => ({ kind: "hit", hit }));
    if (this.box.mode === "modal" && !this.isOpen) return [];
    const recents = this.box.recents.all.map((question) => ({ kind: "recent" as const, question }));
    const examples = this.box.exampleQuestions.map((question) => ({ kind: "example" as const, question }));
    return [...recents, ...examples];
  }

  /** How many sources of a turn are listed. */
  shown(turn: Turn): number {
    return this.#shown.get(turn.key) ?? FEW_SOURCES;
  }

  showMore(turn: Turn): void {
    this.#shown.set(turn.key, this.shown(turn) + MORE_SOURCES);
    this.box.requestUpdate();
  }

  retry(turn: Turn): void {
    this.preview.hide(false);
    this.field?.focus();
    void this.box.asking.ask(turn.question, turn);
  }

  rate(turn: Turn, rating: Rating, reasons: Reason[], comment: string | null, done: boolean): void {
    const answerId = turn.answer?.id ?? "";
    this.box.emit("rag-feedback", { answerId, question: turn.question, rating, reasons, comment });
    void this.box.asking.rate(turn, rating, reasons, comment, done);
  }

  /** The text of a turn, which is kept from one rendering to the next. */
  prose(turn: Turn): AnswerView {
    let view = this.#prose.get(turn.key);
    if (!view) {
      const { texts } = this.box;
      const { source, table, code } = texts.strings;
      view = new AnswerView({ table, code }, ({ marker: n, title }) => texts.fill(source, { n, title }));
      this.#prose.set(turn.key, view);
    }
    return view;
  }

  #url(citation: Citation, turn: Turn): string {
    return citationUrl(this.box.base, citation, [...turn.citations.values()]);
  }

  /** Follows a citation to its card, unless the host takes it over. */
  pin(turn: Turn, citation: Citation, anchor: Element): void {
    const url = this.#url(citation, turn);
    if (this.box.emit("rag-cite", { action: "preview", place: citation, url })) this.preview.pin(citation, url, anchor);
    else this.preview.hide(false);
  }

  readonly clearRecents = (): void => {
    this.box.recents.clear();
    this.box.asking.dispatch({ type: "chosen", active: -1 });
    this.field?.focus();
  };

  readonly copy = async (turn: Turn): Promise<void> => {
    const citations = [...turn.citations.values()];
    const text = withSources(turn.text, citations, this.box.texts, (citation) => this.box.url(citation));
    const done = await copied(text, this.#find(".panel") ?? this.box);
    this.copied = { key: turn.key, done };
    const { strings } = this.box.texts;
    this.announced = done ? strings.copied : strings.copyFailed;
    this.box.requestUpdate();
  };

  readonly choose = (option: Option, event: Event): void => {
    if (option.kind === "hit") this.box.follow(option.hit, this.box.url(option.hit), event);
    else void this.ask(option.question);
  };

  readonly typed = (event: InputEvent): void => {
    const talking = this.box.asking.state.turns.length > 0;
    this.box.asking.typed((event.target as HTMLInputElement).value, !talking);
    void this.box.greet();
  };

  readonly newSearch = (): void => {
    this.preview.hide(false);
    this.box.asking.newSearch();
    this.field?.focus();
  };

  readonly stop = (): void => {
    this.box.asking.stop();
    this.field?.focus();
  };

  readonly keys = (event: KeyboardEvent): void => {
    const { asking } = this.box;
    if (isComposing(event)) return;
    if (event.key === "Escape") {
      if (this.preview.hide()) return stop(event);
      if (this.box.mode === "modal") {
        stop(event);
        this.close();
      } else if (asking.state.query) {
        stop(event);
        asking.typed("", false);
      }
      return;
    }
    if (event.target !== this.field) return;
    const count = this.options().length;
    const { active, query } = asking.state;
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    const step = steps[event.key];
    if (step && count) {
      event.preventDefault();
      // The field itself is one of the places that the arrows come by.
      asking.dispatch({ type: "chosen", active: ((active + 1 + step + count + 1) % (count + 1)) - 1 });
    } else if (event.key === "Enter") {
      event.preventDefault();
      const option = active >= 0 ? this.#find(`#option-${active}`) : null;
      if (option && !isSend(event)) option.click();
      else void this.ask(query);
    }
  };

  readonly markerClicked = (event: Event): void => {
    const found = this.#markerAt(event);
    if (found) this.pin(...found);
  };

  readonly markerHovered = (event: PointerEvent): void => {
    if (event.pointerType === "touch") return;
    const found = this.#markerAt(event);
    if (found) this.preview.hover(found[1], this.#url(found[1], found[0]), found[2]);
    else this.preview.hover();
  };

  #markerAt(event: Event): [Turn, Citation, Element] | null {
    const button = event.target instanceof Element ? event.target.closest<HTMLElement>("[data-marker]") : null;
    if (!button) return null;
    for (const turn of this.box.asking.state.turns) {
      if (!this.prose(turn).element.contains(button)) continue;
      const citation = turn.citations.get(Number(button.dataset.marker));
      if (citation) return [turn, citation, button];
    }
    return null;
  }

  /** The page behind the dialog stays where it is. */
  readonly wheeled = (event: WheelEvent): void => {
    const inside = event.composedPath().some((one) => {
      return one instanceof HTMLElement && one.matches(".panel *") && one.scrollHeight > one.clientHeight + 1;
    });
    if (!inside && !event.ctrlKey) event.preventDefault();
  };

  readonly cancelled = (event: Event): void => {
    if (this.preview.hide()) event.preventDefault();
  };

  readonly closed = (): void => {
    // The event comes a moment after the dialog has gone: who is at something else by then stays there.
    const at = deepActive();
    const nowhere = !at || at === document.body || this.#dialog?.contains(at);
    if (!this.isOpen && nowhere) this.#before?.focus();
    this.box.requestUpdate();
  };

  get #dialog(): HTMLDialogElement | null {
    return this.#find<HTMLDialogElement>("dialog");
  }

  get field(): HTMLInputElement | null {
    return this.#find<HTMLInputElement>("input[role=combobox]");
  }

  #find<T extends HTMLElement>(selector: string): T | null {
    return this.box.renderRoot?.querySelector<T>(selector) ?? null;
  }
}

function stop(event: Event): void {
  event.preventDefault();
  event.stopPropagation();
}

function deepActive(): HTMLElement | null {
  let at = document.activeElement;
  while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
  return at instanceof HTMLElement ? at : null;
}

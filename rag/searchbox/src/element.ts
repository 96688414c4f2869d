/** `<rag-search>`: attributes, the JS API and events; what it shows is in `panel.ts`. */
import { LitElement, nothing, type PropertyDeclarations, type PropertyValues, type TemplateResult, unsafeCSS } from "lit";
import type { Answer, CiteDetail, Mode, RagSearchElement, RagSearchEventMap, Strings, Theme } from "../types/index.js";
import { Api } from "./api.js";
import { Asking, type Listener } from "./asking.js";
import { dismiss, enrol, type Summoned } from "./keyboard.js";
import { sourceUrl, withToken } from "./links.js";
import { Panel } from "./panel.js";
import { Recents } from "./recents.js";
import type { Action } from "./state.js";
import { languageOf, learning, Texts } from "./strings/index.js";
import answer from "./styles/answer.css";
import base from "./styles/base.css";
import panel from "./styles/panel.css";
import { Tokens } from "./token.js";
import { detailOf } from "./trouble.js";
import { boxView } from "./views/panel.js";

/** Not `new URL(".", …)`: bundlers take that for a file. */
const HOME = (import.meta.url ?? "").replace(/[^/]*(?:[?#].*)?$/, "");
/** An attribute that is taken away leaves the default of the constructor. */
const text = { useDefault: true };
const FRAME_MS = 120;

export class RagSearch extends LitElement implements RagSearchElement, Summoned {
  static override styles = [base, panel, answer].map(unsafeCSS);
  static override properties: PropertyDeclarations = {
    endpoint: text,
    tokenEndpoint: { ...text, attribute: "token-endpoint" },
    signIn: { ...text, attribute: "sign-in" },
    // Reflected, since the style sheet asks for it.
    mode: { ...text, reflect: true },
    placeholder: text,
    shortcut: text,
    theme: text,
    lang: {},
    collection: text,
    examples: text,
    noHistory: { attribute: "no-history", type: Boolean },
    cost: { type: Boolean },
    strings: { attribute: false },
  };

  declare endpoint: string;
  declare tokenEndpoint: string;
  declare signIn: string;
  declare mode: Mode;
  declare placeholder: string;
  declare shortcut: string;
  declare theme: Theme;
  declare collection: string;
  declare examples: string | string[];
  declare noHistory: boolean;
  declare cost: boolean;
  declare strings: RagSearchElement["strings"];

  texts = new Texts("en", {});
  api = new Api("", new Tokens(""));
  recents = new Recents("", false);
  readonly asking: Asking;
  readonly #panel: Panel;
  #learning: Promise<void> | null = null;
  #drawn = false;
  #frame = 0;
  #greeted = false;

  constructor() {
    super();
    this.endpoint = this.tokenEndpoint = this.signIn = this.placeholder = this.collection = this.examples = "";
    this.mode = "modal";
    this.shortcut = "mod+k";
    this.theme = "auto";
    this.noHistory = this.cost = false;
    this.strings = {};
    const listener: Listener = {
      changed: (action, soon) => this.#changed(action, soon),
      answered: (question, answered, milliseconds) =>
        this.emit("rag-answer", { question, answer: answered, milliseconds }),
      failed: (trouble, question) => this.emit("rag-error", detailOf(trouble, question)),
    };
    this.asking = new Asking(this.api, listener);
    this.#panel = new Panel(this);
  }

  /** Address that paths of the API are joined to; ends with a slash. */
  get base(): string {
    const wanted = this.endpoint ? new URL(this.endpoint, document.baseURI).href : HOME;
    return wanted.endsWith("/") ? wanted : `${wanted}/`;
  }

  get opened(): boolean {
    return this.mode === "inline" || this.#panel.isOpen;
  }

  get exampleQuestions(): string[] {
    if (Array.isArray(this.examples)) return this.examples;
    const text = (this.examples ?? "").trim();
    try {
      const list: unknown = text.startsWith("[") ? JSON.parse(text) : text.split("|");
      return Array.isArray(list) ? list.map((one) => String(one).trim()).filter(Boolean) : [];
    } catch {
      return [];
    }
  }

  open(query = ""): void {
    if (!this.#drawn) return void this.updateComplete.then(() => this.open(query));
    this.#panel.open();
    if (query) this.asking.typed(query, !this.asking.state.turns.length);
    void this.greet();
  }

  close(): void {
    this.#panel.close();
  }

  async ask(question: string): Promise<Answer | null> {
    await this.updateComplete;
    this.open();
    return this.#panel.ask(question);
  }

  summon(toggles: boolean): void {
    if (toggles && this.mode === "modal" && this.opened) this.close();
    else this.open();
  }

  /** Says hello once the reader turns to the box: a page that only shows it asks for nothing. */
  async greet(again = false): Promise<void> {
    if (this.#greeted && !again) return;
    this.#greeted = true;
    await this.asking.greet();
  }

  emit<K extends keyof RagSearchEventMap>(type: K, detail: RagSearchEventMap[K]["detail"]): boolean {
    return this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable: type === "rag-cite" }));
  }

  /** Lets a link be followed, unless the host takes it over; the token goes along only at that moment. */
  follow(place: CiteDetail["place"], url: string, event: Event): void {
    const link = event.currentTarget as HTMLAnchorElement;
    if (event.type === "auxclick" && (event as MouseEvent).button !== 1) return;
    if (!this.emit("rag-cite", { action: "open", place, url })) return event.preventDefault();
    if (!this.tokenEndpoint) return;
    const token = this.api.tokens.current;
    if (token) {
      link.href = withToken(url, token);
      setTimeout(() => (link.href = url));
      return;
    }
    event.preventDefault();
    const open = (given: string | null): unknown => window.open(withToken(url, given), "_blank", "noopener");
    void this.api.tokens.get().then(open, () => open(null));
  }

  url(place: CiteDetail["place"]): string {
    return sourceUrl(this.base, place);
  }

  /** A text of the box; the host's own placeholder wins over the language's. */
  text(key: "placeholder"): string {
    return this.placeholder || (this.texts.strings as Strings)[key];
  }

  override connectedCallback(): void {
    super.connectedCallback();
    enrol(this);
    window.addEventListener("online", this.#online);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    dismiss(this);
    window.removeEventListener("online", this.#online);
    this.close();
    this.asking.rest();
  }

  protected override willUpdate(changed: PropertyValues): void {
    const moved = changed.has("endpoint") || changed.has("tokenEndpoint");
    if (!this.hasUpdated || moved) {
      // What came from one service has no place in front of another.
      if (this.hasUpdated) this.asking.newSearch();
      this.api = new Api(this.base, new Tokens(this.tokenEndpoint));
      this.asking.api = this.api;
      if (this.#greeted) void this.greet(true);
    }
    if (!this.hasUpdated || moved || changed.has("noHistory")) {
      this.recents = new Recents(`rag-search:${this.base}`, !this.noHistory);
    }
    const collections = (this.collection ?? "").split(",").map((name) => name.trim()).filter(Boolean);
    this.asking.filters = collections.length ? { collections } : undefined;
    const language = languageOf(this.lang || nearestLanguage(this));
    this.#learning = learning(language);
    if (this.#learning) void this.#learning.then(() => this.requestUpdate());
    else if (changed.has("strings") || this.texts.wanted !== language) this.texts = new Texts(language, this.strings ?? {});
  }

  /** Nothing until the language is there: text that changes under the reader's eyes would be worse. */
  protected override render(): TemplateResult | typeof nothing {
    return this.#learning && !this.#drawn ? nothing : boxView(this.#panel);
  }

  /** Also waits for the language, before which nothing is drawn. */
  protected override async getUpdateComplete(): Promise<boolean> {
    const done = await super.getUpdateComplete();
    if (!this.#learning || this.#drawn) return done;
    await this.#learning;
    return this.updateComplete;
  }

  protected override updated(): void {
    this.#drawn ||= !this.#learning;
    if (this.#drawn) this.#panel.updated();
  }

  #changed(action: Action, soon: boolean): void {
    this.#panel.changed(action);
    if (soon) this.nextFrame();
    else this.requestUpdate();
  }

  /** Words that stream are shown at most once a frame, and in hidden pages too, where no frames come. */
  nextFrame(): void {
    if (this.#frame) return;
    const timer = setTimeout(() => show(), FRAME_MS);
    const show = (): void => {
      cancelAnimationFrame(this.#frame);
      clearTimeout(timer);
      this.#frame = 0;
      this.requestUpdate();
    };
    this.#frame = requestAnimationFrame(show);
  }

  readonly #online = (): void => {
    if (this.asking.state.searchTrouble) this.asking.searchAgain();
  };
}

/** The `lang` that holds where the element stands, through the shadow roots it stands in. */
function nearestLanguage(element: Element): string {
  for (let at: Element | null = element; at; ) {
    const found = at.closest("[lang]")?.getAttribute("lang");
    if (found) return found;
    const root: Node = at.getRootNode();
    at = root instanceof ShadowRoot ? root.host : null;
  }
  return "en";
}

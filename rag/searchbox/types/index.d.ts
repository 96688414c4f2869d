/** `<rag-search>`: what a host page sees of it. The source implements these types. */

export interface Place {
  document_id: string;
  version: string;
  title: string;
  /** Counts from 1; null where the format has no pages. */
  page: number | null;
  /** Outermost first. */
  headings: string[];
  /** Unicode code points into the stored text, end exclusive. */
  start: number;
  end: number;
}

export interface Citation extends Place {
  marker: number;
  uri: string;
  chunk_id: string;
  /** Whether it is from a page that was read by OCR, which may have erred. */
  ocr?: boolean;
  /** The stored text from start to end, character for character. */
  quote: string;
}

export interface Hit extends Place {
  uri: string;
  chunk_id: string;
  text: string;
  score: number;
}

export interface NearestDocument {
  document_id: string;
  uri: string;
  title: string;
  page: number | null;
  headings: string[];
}

export interface Answer {
  id: string;
  text: string;
  citations: Citation[];
  answered: boolean;
  outcome: "answered" | "not_found" | "clarification";
  nearest: NearestDocument[];
  notice: string | null;
  /** The standalone question that a follow-up was understood as. */
  question: string | null;
  conversation_id: string | null;
  receipt: { model: string; usd: number; cached: boolean; [more: string]: unknown };
  grounding: {
    sentences: { text: string; start: number; end: number; supported: boolean; [more: string]: unknown }[];
    [more: string]: unknown;
  } | null;
  short_answer: { text: string; marker: number; start: number; end: number; confidence: number } | null;
  [more: string]: unknown;
}

export type Mode = "modal" | "inline";
export type Theme = "auto" | "light" | "dark";
export type Rating = "up" | "down";
export type Reason = "wrong" | "incomplete" | "wrong_source" | "outdated" | "unclear" | "other";

export type TroubleKind =
  | "offline"
  | "unreachable"
  | "starting"
  | "rate_limited"
  | "over_budget"
  | "too_long"
  | "expired"
  | "forbidden"
  | "error";

export interface AskDetail {
  question: string;
  followUp: boolean;
}
export interface AnswerDetail {
  question: string;
  answer: Answer;
  milliseconds: number;
}
export interface CiteDetail {
  /** `preview`: the card in the box is about to open; `open`: the source view, in a new tab. */
  action: "preview" | "open";
  place: Citation | Hit | NearestDocument;
  url: string;
}
export interface FeedbackDetail {
  answerId: string;
  question: string;
  rating: Rating;
  reasons: Reason[];
  comment: string | null;
}
export interface ErrorDetail {
  kind: TroubleKind;
  /** Of the service's problem; null where there was none. */
  code: string | null;
  status: number | null;
  detail: string | null;
  requestId: string | null;
  question: string | null;
}

export interface RagSearchEventMap {
  "rag-ask": CustomEvent<AskDetail>;
  "rag-answer": CustomEvent<AnswerDetail>;
  /** Cancelable: `preventDefault()` keeps the box from opening the place. */
  "rag-cite": CustomEvent<CiteDetail>;
  "rag-feedback": CustomEvent<FeedbackDetail>;
  "rag-error": CustomEvent<ErrorDetail>;
}

/** One text for each plural category of the language; `other` is always there. */
export type Plural = { other: string } & Partial<Record<"zero" | "one" | "two" | "few" | "many", string>>;

/** Every text of the box. `{name}` stands for a value. */
export interface Strings {
  trigger: string;
  label: string;
  placeholder: string;
  followUp: string;
  reply: string;
  ask: string;
  askFor: string;
  stop: string;
  close: string;
  newSearch: string;
  retry: string;
  retryIn: string;
  signIn: string;
  recents: string;
  examples: string;
  clearRecents: string;
  suggestions: string;
  passages: Plural;
  noPassages: string;
  retrieving: string;
  reading: string;
  readingMore: Plural;
  progress: string;
  writing: string;
  answeredFrom: Plural;
  notFound: string;
  nearest: string;
  clarification: string;
  stopped: string;
  incomplete: string;
  failed: string;
  answerReady: string;
  understoodAs: string;
  unsupported: string;
  by: string;
  quoted: string;
  cached: string;
  sources: string;
  source: string;
  more: Plural;
  page: string;
  pagePicture: string;
  open: string;
  newTab: string;
  table: string;
  code: string;
  copy: string;
  copied: string;
  copyFailed: string;
  good: string;
  bad: string;
  whatWasWrong: string;
  reasons: Record<Reason, string>;
  comment: string;
  send: string;
  thanks: string;
  feedbackFailed: string;
  tooLongBy: Plural;
  request: string;
  hintAsk: string;
  hintChoose: string;
  hintClose: string;
  troubles: Record<TroubleKind, { title: string; text: string }>;
}

type DeepPartial<T> = { [K in keyof T]?: T[K] extends string ? string : DeepPartial<T[K]> };

export interface RagSearchAttributes {
  /** Address of the service; by default where the script came from. */
  endpoint?: string;
  /** Of the host: answers `{"token": "…", "expires_in": 600}`. */
  "token-endpoint"?: string;
  /** Where a reader signs in again when the host gives no token any more. */
  "sign-in"?: string;
  mode?: Mode;
  placeholder?: string;
  /** `mod+k` by default (Cmd on a Mac, else Ctrl); `none` turns it and `/` off. */
  shortcut?: string;
  theme?: Theme;
  /** en, de, es or ar; by default the nearest `lang` of the page. */
  lang?: string;
  /** Names of collections, separated by commas. */
  collection?: string;
  /** Questions to begin with: a JSON list, or separated by `|`. */
  examples?: string;
  /** Keeps no questions in this browser. */
  "no-history"?: boolean;
  /** Shows what each answer cost. */
  cost?: boolean;
}

export interface RagSearchElement extends HTMLElement {
  endpoint: string;
  tokenEndpoint: string;
  signIn: string;
  mode: Mode;
  placeholder: string;
  shortcut: string;
  theme: Theme;
  collection: string;
  examples: string | string[];
  noHistory: boolean;
  cost: boolean;
  /** Texts that replace the box's own. */
  strings: DeepPartial<Strings>;
  /** Whether the dialog is open; always true inline. */
  readonly opened: boolean;
  /** Opens the dialog (or takes the focus), with a query if one is given. */
  open(query?: string): void;
  close(): void;
  /** Opens and asks; settles when the answer is there, stopped or failed. Null unless there is an answer. */
  ask(question: string): Promise<Answer | null>;
  addEventListener<K extends keyof RagSearchEventMap>(
    type: K,
    listener: (this: RagSearchElement, event: RagSearchEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

export declare const RagSearch: { new (): RagSearchElement; prototype: RagSearchElement };

declare global {
  interface HTMLElementTagNameMap {
    "rag-search": RagSearchElement;
  }
  interface HTMLElementEventMap extends RagSearchEventMap {}
}

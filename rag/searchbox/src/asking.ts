/** Drives the state: searches while the reader types, asks, waits, tries again, stops. */
import type { Answer, Rating, Reason } from "../types/index.js";
import type { Api, Question } from "./api.js";
import { type Action, busyTurn, reduce, START, type State, type Turn } from "./state.js";
import { trouble, troubleBehind, type Trouble } from "./trouble.js";

export const MOST_CHARACTERS = 4000;
const DEBOUNCE_MS = 60;
const HITS = 6;
const LONGEST_SEARCH = 400;
const START_RETRIES = 90;
const START_WAIT_MS = 2000;

export interface Listener {
  /** `soon`: words of a stream, that may wait for the next frame. */
  changed(action: Action, soon: boolean): void;
  answered(question: string, answer: Answer, milliseconds: number): void;
  failed(trouble: Trouble, question: string | null): void;
}

export class Asking {
  state: State = START;
  filters: Question["filters"];
  #keys = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #search: AbortController | null = null;
  #ask: AbortController | null = null;

  constructor(
    public api: Api,
    private readonly listener: Listener,
  ) {}

  dispatch(action: Action): void {
    this.state = reduce(this.state, action);
    const event = action.type === "heard" ? action.event.type : "";
    this.listener.changed(action, event === "delta" || event === "citation" || event === "progress");
  }

  typed(query: string, searches: boolean): void {
    this.dispatch({ type: "typed", query });
    clearTimeout(this.#timer);
    this.#search?.abort();
    const wanted = query.trim();
    if (searches && wanted && wanted.length <= LONGEST_SEARCH) {
      this.#timer = setTimeout(() => void this.#find(wanted), DEBOUNCE_MS);
    }
  }

  /** Looks again for what is typed: after the network has come back, or after a wait. */
  searchAgain(): void {
    this.typed(this.state.query, true);
  }

  /** Asks, or asks a turn that failed again in its place. */
  async ask(question: string, again?: Turn): Promise<Answer | null> {
    this.stop();
    this.typed("", false);
    const key = again?.key ?? ++this.#keys;
    const controller = new AbortController();
    this.#ask = controller;
    this.dispatch({ type: "asked", key, question });
    try {
      return await this.#answer(key, question, controller.signal);
    } catch (error) {
      const found = await this.api.explain(error);
      if (controller.signal.aborted) return null;
      this.dispatch({ type: "failed", key, trouble: found });
      this.listener.failed(found, question);
      return null;
    }
  }

  stop(): void {
    this.#ask?.abort();
    const turn = busyTurn(this.state);
    if (turn) this.dispatch({ type: "stopped", key: turn.key });
  }

  /** The element is gone: nothing is asked any more, and nothing waits to be. */
  rest(): void {
    this.stop();
    clearTimeout(this.#timer);
    this.#search?.abort();
  }

  newSearch(): void {
    this.stop();
    this.typed("", false);
    this.dispatch({ type: "new_search" });
  }

  /** Learns early that the reader may not ask; a service that does not tell is asked all the same. */
  async greet(): Promise<void> {
    const { api } = this;
    try {
      const session = await api.session();
      if (api !== this.api) return;
      this.dispatch({ type: "session", gate: null, takesFeedback: session.feedback !== false });
    } catch (error) {
      const found = await api.explain(error);
      if (api !== this.api || (found.kind !== "expired" && found.kind !== "forbidden")) return;
      this.dispatch({ type: "session", gate: found, takesFeedback: this.state.takesFeedback });
      this.listener.failed(found, null);
    }
  }

  async rate(turn: Turn, rating: Rating, reasons: Reason[], comment: string | null, done: boolean): Promise<void> {
    if (!turn.answer) return;
    const { key } = turn;
    // The form stays until what is written in it has arrived.
    this.dispatch({ type: "rated", key, rating, feedback: done ? turn.feedback : "form" });
    try {
      await this.api.feedback(turn.answer.id, rating, reasons, comment);
      if (done) this.dispatch({ type: "rated", key, rating, feedback: "sent" });
    } catch {
      this.dispatch({ type: "rated", key, rating, feedback: "failed" });
    }
  }

  async #find(query: string): Promise<void> {
    const controller = new AbortController();
    this.#search = controller;
    try {
      const hits = await this.api.search(query, HITS, this.filters, controller.signal);
      if (!controller.signal.aborted) this.dispatch({ type: "hits", query, hits });
    } catch (error) {
      const found = await this.api.explain(error);
      if (controller.signal.aborted) return;
      this.dispatch({ type: "search_failed", trouble: found });
      const wait = found.kind === "starting" ? START_WAIT_MS : found.retryAt && found.retryAt - Date.now();
      if (wait > 0) this.#timer = setTimeout(() => this.searchAgain(), wait);
    }
  }

  async #answer(key: number, question: string, signal: AbortSignal): Promise<Answer | null> {
    const begun = performance.now();
    let conversation = this.state.conversation ?? "new";
    for (let tries = 0; ; tries++) {
      try {
        let answer: Answer | null = null;
        const body = { question, conversation_id: conversation, ...(this.filters && { filters: this.filters }) };
        await this.api.ask(
          body,
          (event) => {
            if (signal.aborted) return;
            const milliseconds = performance.now() - begun;
            this.dispatch({ type: "heard", key, event, milliseconds });
            if (event.type !== "done") return;
            answer = event.data;
            this.listener.answered(question, event.data, milliseconds);
          },
          signal,
        );
        return answer;
      } catch (error) {
        const found = troubleBehind(error);
        if (signal.aborted) throw error;
        // The service forgets conversations after a while; the question is still a question.
        if (found.code === "not_found" && conversation !== "new") conversation = "new";
        else if (found.kind === "starting" && tries < START_RETRIES) {
          this.dispatch({ type: "waiting", key, trouble: found });
          await pause(Math.max(found.retryAt - Date.now(), START_WAIT_MS), signal);
        } else throw error;
      }
    }
  }
}

/** Whether the service would refuse the question for its length: it counts code points. */
export function excess(question: string): number {
  return question.length <= MOST_CHARACTERS ? 0 : Math.max(0, [...question].length - MOST_CHARACTERS);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(trouble("error"));
    });
  });
}

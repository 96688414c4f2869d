/** The service's HTTP API: requests with the reader's token, and the events of an answer. */
import { createParser } from "eventsource-parser";
import type { Answer, Citation, Hit, Rating, Reason } from "../types/index.js";
import type { Tokens } from "./token.js";
import { Failure, problemIn, type Trouble, trouble, troubleBehind, troubleOf } from "./trouble.js";

/** A stream that says nothing for longer than this has broken, whatever the connection pretends. */
const SILENCE_MS = 120_000;

export interface Session {
  name: string;
  answers: string;
  feedback: boolean;
}

export interface Question {
  question: string;
  conversation_id: string;
  filters?: { collections: string[] };
}

export type AnswerEvent =
  | { type: "sources"; data: { hits: Hit[] } }
  | { type: "progress"; data: { done: number; total: number; title: string } }
  | { type: "delta"; data: { text: string } }
  | { type: "citation"; data: Citation }
  | { type: "done"; data: Answer };

export interface Marks {
  width: number;
  height: number;
  rectangles: { left: number; top: number; width: number; height: number }[];
}

export class Api {
  constructor(
    readonly endpoint: string,
    readonly tokens: Tokens,
  ) {}

  async session(): Promise<Session> {
    return (await this.#request("v1/session")).json() as Promise<Session>;
  }

  async search(query: string, limit: number, filters: Question["filters"], signal: AbortSignal): Promise<Hit[]> {
    const body = { query, limit, rerank: false, ...(filters && { filters }) };
    const response = await this.#request("v1/search", body, signal);
    return ((await response.json()) as { hits: Hit[] }).hits;
  }

  async feedback(answer_id: string, rating: Rating, reasons: Reason[], comment: string | null): Promise<void> {
    await this.#request("v1/feedback", { answer_id, rating, reasons, comment });
  }

  /** Where the passage stands on its page, as fractions of it. */
  async marks(place: Citation, signal: AbortSignal): Promise<Marks> {
    const { start, end } = place;
    return (await this.#request(page(place, "marks", { start, end }), undefined, signal)).json() as Promise<Marks>;
  }

  async picture(place: Citation, width: number, signal: AbortSignal): Promise<Blob> {
    return (await this.#request(page(place, "picture", { width }), undefined, signal)).blob();
  }

  /** Hands over the events of an answer as they come; settles after `done`.

   * @throws Failure what the service says, `unreachable` when the stream ends before its time.
   */
  async ask(question: Question, heard: (event: AnswerEvent) => void, signal: AbortSignal): Promise<void> {
    const response = await this.#request("v1/ask", { ...question, stream: true }, signal);
    if (!response.body) throw new Failure(trouble("unreachable"));
    let ended = false;
    let failure: Failure | null = null;
    const parser = createParser({
      onEvent({ event, data }) {
        if (ended || failure) return;
        const value = JSON.parse(data) as never;
        if (event === "error") failure = new Failure(troubleOf(value));
        else heard({ type: event, data: value } as AnswerEvent);
        ended = event === "done";
      },
    });
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    try {
      while (!ended && !failure) {
        const { done, value } = await inTime(reader.read());
        if (done) break;
        parser.feed(decoder.decode(value, { stream: true }));
      }
    } catch (error) {
      // A reply had begun: what ended it was no refusal.
      throw error instanceof TypeError ? new Failure(troubleBehind(error)) : error;
    } finally {
      void reader.cancel().catch(() => {});
    }
    if (failure) throw failure;
    if (!ended) throw new Failure(trouble("unreachable"));
  }

  /** The trouble behind an error. A browser does not say why another origin refused: the script's own address does. */
  async explain(error: unknown): Promise<Trouble> {
    const found = troubleBehind(error);
    if (error instanceof Failure || found.kind !== "unreachable" || new URL(this.endpoint).origin === location.origin) return found;
    const script = await fetch(`${this.endpoint}searchbox.js`, { method: "HEAD", cache: "no-store" }).catch(() => null);
    if (!script?.ok) return found;
    console.warn(`rag-search: RAG_ALLOWED_ORIGINS of ${this.endpoint} does not name ${location.origin}`);
    return trouble("forbidden");
  }

  async #request(path: string, body?: object, signal?: AbortSignal): Promise<Response> {
    const send = async (token: string | null): Promise<Response> => {
      const headers: Record<string, string> = {};
      if (token) headers.Authorization = `Bearer ${token}`;
      const init: RequestInit = { headers };
      if (signal) init.signal = signal;
      if (body) {
        headers["Content-Type"] = "application/json";
        init.method = "POST";
        init.body = JSON.stringify(body);
      }
      return fetch(this.endpoint + path, init);
    };
    const token = await this.tokens.get();
    let response = await send(token);
    // The clocks of two machines differ, and keys change: a fresh token gets one try.
    if (response.status === 401 && token) response = await send(await this.tokens.renew());
    if (!response.ok) throw new Failure(await problemIn(response));
    return response;
  }
}

function page(place: Citation, what: string, query: Record<string, number>): string {
  const values = new URLSearchParams({ version: place.version });
  for (const [name, value] of Object.entries(query)) values.set(name, String(value));
  return `v1/documents/${encodeURIComponent(place.document_id)}/pages/${place.page}/${what}?${values}`;
}

async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Failure(trouble("unreachable"))), SILENCE_MS);
  });
  return Promise.race([work, silence]).finally(() => clearTimeout(timer));
}

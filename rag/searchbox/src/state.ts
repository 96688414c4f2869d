/** What the box knows, and the only function that changes it. */
import type { Answer, Citation, Hit, Rating } from "../types/index.js";
import type { AnswerEvent } from "./api.js";
import type { Trouble } from "./trouble.js";

export type Phase =
  | "retrieving" // nothing heard yet
  | "reading" // the documents are known
  | "streaming" // the first words are there
  | "done"
  | "not_found"
  | "clarification"
  | "stopped" // by the reader
  | "incomplete" // broke off after its first words
  | "failed";

export type FeedbackState = "none" | "form" | "sent" | "failed";

export interface Turn {
  readonly key: number;
  readonly question: string;
  readonly phase: Phase;
  readonly text: string;
  /** Grows in place while the answer streams: copying ten thousand for each one more is quadratic. */
  readonly citations: Map<number, Citation>;
  /** Titles of the documents that are read, each once. */
  readonly documents: readonly string[];
  readonly progress: { done: number; total: number; title: string } | null;
  readonly answer: Answer | null;
  readonly trouble: Trouble | null;
  readonly milliseconds: number;
  readonly rating: Rating | null;
  readonly feedback: FeedbackState;
}

export interface State {
  readonly query: string;
  readonly hits: readonly Hit[];
  /** The query that `hits` belong to; null before the first reply. */
  readonly hitsOf: string | null;
  readonly searchTrouble: Trouble | null;
  /** Index of the chosen option; -1: the field itself. */
  readonly active: number;
  readonly turns: readonly Turn[];
  readonly conversation: string | null;
  /** Why the service takes nothing from this reader; known from the session. */
  readonly gate: Trouble | null;
  readonly takesFeedback: boolean;
}

export const START: State = {
  query: "",
  hits: [],
  hitsOf: null,
  searchTrouble: null,
  active: -1,
  turns: [],
  conversation: null,
  gate: null,
  takesFeedback: true,
};

export type Action =
  | { type: "typed"; query: string }
  | { type: "hits"; query: string; hits: Hit[] }
  | { type: "search_failed"; trouble: Trouble }
  | { type: "chosen"; active: number }
  | { type: "asked"; key: number; question: string }
  | { type: "waiting"; key: number; trouble: Trouble }
  | { type: "heard"; key: number; event: AnswerEvent; milliseconds: number }
  | { type: "failed"; key: number; trouble: Trouble }
  | { type: "stopped"; key: number }
  | { type: "rated"; key: number; rating: Rating | null; feedback: FeedbackState }
  | { type: "session"; gate: Trouble | null; takesFeedback: boolean }
  | { type: "new_search" };

export const BUSY: ReadonlySet<Phase> = new Set(["retrieving", "reading", "streaming"]);

export function busyTurn(state: State): Turn | null {
  const last = state.turns.at(-1);
  return last && BUSY.has(last.phase) ? last : null;
}

export function reduce(state: State, action: Action): State {
  switch (action.type) {
    case "typed": {
      // The hits of the former word stay until those of this one are there: nothing flickers.
      const hits = action.query.trim() ? {} : { hits: [], hitsOf: null, searchTrouble: null };
      return { ...state, ...hits, query: action.query, active: -1 };
    }
    case "hits":
      if (action.query !== state.query.trim()) return state;
      return { ...state, hits: action.hits, hitsOf: action.query, active: -1, searchTrouble: null, gate: null };
    case "search_failed":
      return { ...state, searchTrouble: action.trouble };
    case "chosen":
      return { ...state, active: action.active };
    case "asked": {
      const former = state.turns.filter((turn) => turn.key !== action.key);
      return {
        ...state,
        query: "",
        hits: [],
        hitsOf: null,
        active: -1,
        gate: null,
        searchTrouble: null,
        turns: [...former, begun(action.key, action.question)],
      };
    }
    case "new_search":
      return { ...START, gate: state.gate, takesFeedback: state.takesFeedback };
    case "session":
      return { ...state, gate: action.gate, takesFeedback: action.takesFeedback };
    case "waiting":
      return withTurn(state, action.key, () => ({ trouble: action.trouble }));
    case "failed":
      return withTurn(state, action.key, (turn) => ({
        phase: turn.text ? "incomplete" : "failed",
        trouble: action.trouble,
      }));
    case "stopped":
      return withTurn(state, action.key, () => ({ phase: "stopped", trouble: null }));
    case "rated":
      return withTurn(state, action.key, () => ({ rating: action.rating, feedback: action.feedback }));
    case "heard": {
      const next = withTurn(state, action.key, (turn) => heard(turn, action.event, action.milliseconds));
      if (action.event.type !== "done") return next;
      return { ...next, conversation: action.event.data.conversation_id };
    }
  }
}

function begun(key: number, question: string): Turn {
  return {
    key,
    question,
    phase: "retrieving",
    text: "",
    citations: new Map(),
    documents: [],
    progress: null,
    answer: null,
    trouble: null,
    milliseconds: 0,
    rating: null,
    feedback: "none",
  };
}

function heard(turn: Turn, event: AnswerEvent, milliseconds: number): Partial<Turn> {
  switch (event.type) {
    case "sources":
      return { phase: "reading", trouble: null, documents: [...new Set(event.data.hits.map((hit) => hit.title))] };
    case "progress":
      return { phase: "reading", progress: event.data };
    case "citation":
      turn.citations.set(event.data.marker, event.data);
      return {};
    case "delta":
      return { phase: "streaming", text: turn.text + event.data.text };
    case "done": {
      const answer = event.data;
      return {
        phase: answer.outcome === "answered" ? "done" : answer.outcome,
        text: answer.text,
        citations: new Map(answer.citations.map((citation) => [citation.marker, citation])),
        answer,
        trouble: null,
        milliseconds,
      };
    }
    default:
      return {};
  }
}

/** Changes a turn that is still there. */
function withTurn(state: State, key: number, change: (turn: Turn) => Partial<Turn>): State {
  return {
    ...state,
    turns: state.turns.map((turn) => (turn.key === key ? { ...turn, ...change(turn) } : turn)),
  };
}

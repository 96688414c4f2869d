/** What a screen reader is told: each state once, and the answer when it is whole. */
import { MOST_CHARACTERS } from "./asking.js";
import type { Action, State } from "./state.js";
import type { Texts } from "./strings/index.js";
import { stateOf } from "./views/turn.js";

/** The words for what has just happened; null where it needs none. */
export function announcement(action: Action, state: State, texts: Texts): string | null {
  const { strings } = texts;
  const last = state.turns.at(-1);
  switch (action.type) {
    case "hits":
      if (action.query !== state.hitsOf) return null;
      return action.hits.length ? texts.count(strings.passages, action.hits.length) : strings.noPassages;
    case "search_failed":
      return strings.troubles[action.trouble.kind].title;
    case "session":
      return action.gate && said(action.gate.kind, texts);
    case "failed":
      return last ? `${stateOf(last, texts)[1]} ${said(action.trouble.kind, texts)}` : null;
    case "heard":
      if (action.event.type === "done") return last ? finished(last.text, stateOf(last, texts)[1], texts) : null;
      return action.event.type === "sources" && last ? stateOf(last, texts)[1] : null;
    case "asked":
    case "waiting":
    case "stopped":
      return last ? stateOf(last, texts)[1] : null;
    case "rated":
      return action.feedback === "sent" ? strings.thanks : action.feedback === "failed" ? strings.feedbackFailed : null;
    case "new_search":
      return "";
    default:
      return null;
  }
}

function said(kind: keyof Texts["strings"]["troubles"], texts: Texts): string {
  const { title, text } = texts.strings.troubles[kind];
  return `${title}. ${texts.fill(text, { limit: MOST_CHARACTERS })}`;
}

function finished(text: string, state: string, { strings }: Texts): string {
  const words = text.replace(/\[\d+\]/g, "").replace(/^#+\s|[*`|]+|(?<![\p{L}\p{N}])_+|_+(?![\p{L}\p{N}])/gmu, "");
  return `${strings.answerReady} ${state}. ${words}`;
}

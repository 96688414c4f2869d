/** What can come of a question: its name, its colour in charts, and its chip in tables. */

import { element } from "./dom.js";

export const OUTCOMES = [
  { outcome: "answered", name: "Answered", tone: 1, chip: "good" },
  { outcome: "not_found", name: "Not in the documents", tone: 2, chip: "warn" },
  { outcome: "clarification", name: "Asked back", tone: 3, chip: "calm" },
  { outcome: "stopped", name: "Stopped", tone: 4, chip: "calm" },
  { outcome: "refused", name: "Refused", tone: 5, chip: "bad" },
  { outcome: "failed", name: "Failed", tone: 6, chip: "bad" },
];

export const REASONS = {
  wrong: "wrong",
  incomplete: "incomplete",
  wrong_source: "wrong source",
  outdated: "outdated",
  unclear: "unclear",
  other: "other",
};

export function outcomeChip(outcome) {
  const known = OUTCOMES.find((one) => one.outcome === outcome);
  return element("span", { className: `chip ${known?.chip ?? "calm"}` }, known?.name ?? outcome);
}

export function thumb(rating) {
  if (!rating) return "";
  return element("span", { className: `chip ${rating === "up" ? "good" : "bad"}` }, rating === "up" ? "Up" : "Down");
}

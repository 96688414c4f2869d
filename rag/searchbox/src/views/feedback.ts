/** Why an answer was bad: reasons, and a few words. */
import { html, nothing, type TemplateResult } from "lit";
import type { Reason } from "../../types/index.js";
import type { Panel } from "../panel.js";
import type { Turn } from "../state.js";

const REASONS: Reason[] = ["wrong", "incomplete", "wrong_source", "outdated", "unclear", "other"];
const LONGEST = 1000;

export function feedbackForm(panel: Panel, turn: Turn): TemplateResult | typeof nothing {
  const { strings } = panel.box.texts;
  if (turn.feedback === "sent") return html`<p class="aside">${strings.thanks}</p>`;
  if (turn.feedback === "none") return nothing;
  const send = (event: SubmitEvent): void => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    const comment = String(data.get("comment") ?? "").trim();
    panel.rate(turn, turn.rating ?? "down", data.getAll("reason") as Reason[], comment || null, true);
  };
  return html`<form class="feedback" part="feedback" @submit=${send}>
    ${turn.feedback === "failed" ? html`<p class="detail">${strings.feedbackFailed}</p>` : nothing}
    ${turn.rating === "up"
      ? nothing
      : html`<fieldset>
            <legend>${strings.whatWasWrong}</legend>
            ${REASONS.map(
              (reason) => html`<label class="chip"><input type="checkbox" name="reason" value=${reason} />${strings.reasons[reason]}</label>`,
            )}
          </fieldset>
          <textarea name="comment" rows="2" maxlength=${LONGEST} dir="auto" aria-label=${strings.comment} placeholder=${strings.comment}></textarea>`}
    <button type="submit" class="button">${turn.rating === "up" ? strings.retry : strings.send}</button>
  </form>`;
}

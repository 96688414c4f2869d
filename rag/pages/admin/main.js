/** The frame: who may come in, which section is shown, and when it is read again. */

import { Problem, key, read } from "./api.js";
import { announce, byId, button, element } from "./dom.js";
import { clockTime } from "./format.js";
import * as documents from "./documents.js";
import * as feedback from "./feedback.js";
import * as gaps from "./gaps.js";
import { showFailed } from "./nav.js";
import * as overview from "./overview.js";
import * as questions from "./questions.js";
import * as usage from "./usage.js";

const SECTIONS = { overview, documents, questions, gaps, feedback, usage };
const AGAIN_MS = 20_000;
const STARTING_MS = 2000;

/** The section that is shown: `{name, load(), busy()}`. */
let shown = null;
let loading = null;

/** Show the section that the address names; what stands after `?` is for the section. */
function go() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  const known = Object.hasOwn(SECTIONS, name);
  const section = known ? SECTIONS[name] : overview;
  byId("title").textContent = section.title;
  byId("about").textContent = section.about;
  document.title = `${section.title} · Citebox operator`;
  for (const link of document.querySelectorAll("nav a")) {
    const current = link.hash === `#${known ? name : "overview"}`;
    if (current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("problem").hidden = true;
  byId("view").replaceChildren();
  shown = section.create(byId("view"), new URLSearchParams(query), load);
  load();
}

/** Read the section's data and show it; a later call takes the place of an earlier one. */
async function load() {
  const section = shown;
  const turn = Symbol("turn");
  loading = turn;
  byId("view").setAttribute("aria-busy", "true");
  try {
    await section.load(() => loading === turn && section === shown);
    if (loading !== turn) return;
    byId("problem").hidden = true;
    byId("fresh").textContent = `Updated ${clockTime(new Date())}`;
  } catch (error) {
    if (loading === turn) tell(error);
  } finally {
    if (loading === turn) byId("view").removeAttribute("aria-busy");
  }
}

function tell(error) {
  if (!(error instanceof Problem)) throw error;
  if (error.locked) {
    lock(key.get() ? error : null);
    return;
  }
  byId("problem").replaceChildren(
    element("h2", {}, error.title),
    element("p", {}, [error.detail, error.remedy].filter(Boolean).join(" · ")),
    button("Try again", load),
    error.request ? element("small", {}, `Request ${error.request}`) : null,
  );
  byId("problem").hidden = false;
}

/** Show the door; with an error, why the key did not open it. */
function lock(error) {
  key.forget();
  shown = null;
  loading = null;
  byId("view").replaceChildren();
  byId("app").hidden = true;
  byId("door").hidden = false;
  byId("door-problem").textContent = error ? "This key does not open the operator's page." : "";
  document.title = "Sign in · Citebox operator";
  byId("key").value = "";
  byId("key").focus();
}

/** Come in when the service lets us: with the key of this tab, or from its own machine without one. */
async function enter() {
  try {
    const now = await read("overview");
    showFailed(now.documents?.failed ?? 0);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    if (error.locked) {
      lock(key.get() ? error : null);
      // Where no key would help, the service says what would.
      if (error.remedy.includes("RAG_ADMIN_KEY")) byId("door-problem").textContent = error.remedy;
      return;
    }
    if (error.status === 503) setTimeout(() => shown && !byId("problem").hidden && load(), STARTING_MS);
  }
  byId("door").hidden = true;
  byId("app").hidden = false;
  byId("sign-out").hidden = !key.get();
  go();
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(byId("key").value.trim());
  enter();
});
byId("sign-out").addEventListener("click", () => {
  lock(null);
  announce("Signed out");
});
byId("refresh").addEventListener("click", load);
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  byId("view").focus();
});
addEventListener("hashchange", () => {
  if (byId("app").hidden) return;
  go();
  byId("title").focus();
});

/** Not while nobody looks, and not under the hands of somebody who acts. */
function again() {
  if (shown && document.visibilityState === "visible" && !byId("confirm").open && !shown.busy?.()) load();
}
setInterval(again, AGAIN_MS);
document.addEventListener("visibilitychange", again);

// An action that was refused, as forgetting a question, is told like a section that could not be read.
addEventListener("unhandledrejection", (event) => {
  if (!(event.reason instanceof Problem)) return;
  event.preventDefault();
  tell(event.reason);
});

enter();

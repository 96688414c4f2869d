/** Speaking with the service: JSON, problems, and the answer as server-sent events over POST. */

/** What went wrong, as the service told it (RFC 9457) or as this page saw it. */
export class Problem extends Error {
  constructor({ title, detail = "", remedy = "", code = "", request_id = "" }, retryAfter = 0) {
    super(detail || title);
    Object.assign(this, { title, detail, remedy, code, requestId: request_id, retryAfter });
  }
}

const UNREACHABLE = {
  code: "unreachable",
  title: "The service cannot be reached",
  detail: "There was no reply.",
  remedy: "Check your connection, then ask again.",
};
const BROKEN_OFF = {
  code: "broken_off",
  title: "The connection broke off",
  detail: "The rest of the answer did not arrive.",
  remedy: "Check your connection, then ask again.",
};

/** GET a JSON document. */
export async function getJson(path, signal) {
  const response = await reach(path, { signal });
  if (!response.ok) throw await problemOf(response);
  return response.json();
}

/**
 * Ask, and yield `{event, data}` up to and with `done`; anything but a whole answer is thrown.
 * Leaving the loop, or aborting the signal, hangs up, which ends the work on the server.
 */
export async function* ask(question, mode, signal) {
  const response = await reach("v1/ask", {
    method: "POST",
    headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
    body: JSON.stringify({ question, mode, stream: true }),
    signal,
  });
  if (!response.ok) throw await problemOf(response);
  for await (const { event, data } of events(response.body, signal)) {
    if (event === "error") throw new Problem(data);
    yield { event, data };
    if (event === "done") return;
  }
  throw new Problem(BROKEN_OFF);
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Problem(UNREACHABLE);
  }
}

/** A proxy in between may answer with something that is not ours, and not JSON. */
async function problemOf(response) {
  const told = await response.json().catch(() => null);
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  return new Problem(told?.title ? told : { title: `The service answered ${response.status}` }, retryAfter);
}

/** The events of a stream: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream */
async function* events(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let event = "";
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.map((raw) => raw.replace(/\r$/, ""))) {
        if (line === "") {
          if (data.length) yield { event, data: JSON.parse(data.join("\n")) };
          event = "";
          data = [];
        } else {
          const [, field, content] = /^([^:]*):? ?(.*)$/s.exec(line);
          if (field === "event") event = content;
          if (field === "data") data.push(content);
        }
      }
    }
  } catch (error) {
    if (signal.aborted || !(error instanceof TypeError)) throw error;
    throw new Problem(BROKEN_OFF);
  } finally {
    reader.cancel().catch(() => {});
  }
}

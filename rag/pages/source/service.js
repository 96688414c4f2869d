/** Speaking with the service as whoever the token says; without one, as the browser is known there. */

import { Problem } from "../home/stream.js";
import { ROOT, token } from "./address.js";

export { Problem };

const UNREACHABLE = {
  code: "unreachable",
  title: "The service cannot be reached",
  detail: "There was no reply.",
  remedy: "Check your connection. The page tries again when it is back.",
};

/** What `path` gives, as JSON; throws a Problem. */
export async function getJson(path, signal) {
  return received((await get(path, signal)).json(), signal);
}

/** The body of a reply, which can break off as a reply can stay away; throws a Problem. */
export async function received(body, signal) {
  try {
    return await body;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(UNREACHABLE);
  }
}

/** What `path` gives, as a reply whose body is yet to be read; throws a Problem. */
export async function get(path, signal) {
  const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
  let response;
  try {
    response = await fetch(new URL(path, ROOT), { headers, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(UNREACHABLE);
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new Problem(told?.title ? told : { title: `The service answered ${response.status}` });
}

/** The path of a document in the API, with a query. */
export function documentPath({ document_id }, what, query = {}) {
  const fields = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  return `v1/documents/${encodeURIComponent(document_id)}/${what}?${new URLSearchParams(fields)}`;
}

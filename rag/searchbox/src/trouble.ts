/** What can go wrong, told apart by what the reader can do about it. */
import type { ErrorDetail, TroubleKind } from "../types/index.js";

export interface Trouble {
  kind: TroubleKind;
  code: string | null;
  status: number | null;
  /** The service's own words, in English. */
  detail: string | null;
  requestId: string | null;
  /** Milliseconds since the epoch before which asking again is of no use; 0: none. */
  retryAt: number;
}

interface Problem {
  code?: string;
  status?: number;
  title?: string;
  detail?: string;
  request_id?: string;
}

const KINDS: Record<string, TroubleKind> = {
  starting: "starting",
  rate_limited: "rate_limited",
  overloaded: "rate_limited",
  over_budget: "over_budget",
  too_large: "too_long",
  // The host's mistake: signing in again would not help.
  token_invalid: "error",
  unauthorised: "forbidden",
};
const BY_STATUS: Record<number, TroubleKind> = { 401: "expired", 403: "forbidden", 413: "too_long", 429: "rate_limited" };

/** A trouble on its way through promises. */
export class Failure extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble.detail ?? trouble.kind);
  }
}

export function trouble(kind: TroubleKind, detail: string | null = null): Trouble {
  return { kind, code: null, status: null, detail, requestId: null, retryAt: 0 };
}

/** The trouble that an RFC 9457 problem tells of; `retryAfter` in seconds. */
export function troubleOf(problem: Problem, retryAfter = 0): Trouble {
  const { code = "", status = 0, title, detail, request_id } = problem;
  return {
    kind: KINDS[code] ?? BY_STATUS[status] ?? "error",
    code: code || null,
    status: status || null,
    detail: detail ?? title ?? null,
    requestId: request_id ?? null,
    retryAt: retryAfter > 0 ? Date.now() + retryAfter * 1000 : 0,
  };
}

/** The trouble behind anything that a request may throw. */
export function troubleBehind(error: unknown): Trouble {
  if (error instanceof Failure) return error.trouble;
  // Neither a refused connection nor an answer that CORS hides can be told apart from script.
  if (error instanceof TypeError) return trouble(navigator.onLine ? "unreachable" : "offline");
  return trouble("error", String(error));
}

export async function problemIn(response: Response): Promise<Trouble> {
  const problem = (await response.json().catch(() => ({}))) as Problem;
  const after = Number(response.headers.get("retry-after"));
  return troubleOf({ ...problem, status: response.status }, Number.isFinite(after) ? after : 0);
}

export const detailOf = (trouble: Trouble, question: string | null): ErrorDetail => {
  const { kind, code, status, detail, requestId } = trouble;
  return { kind, code, status, detail, requestId, question };
};

/** The host's token endpoint: asked when needed, renewed before the token ends, one request at a time. */
import { Failure, trouble } from "./trouble.js";

const SPARE_MS = 30_000;
const DEFAULT_SECONDS = 300;
const PATIENCE_MS = 15_000;

export class Tokens {
  #token: string | null = null;
  #ends = 0;
  #pending: Promise<string> | null = null;

  constructor(readonly endpoint: string) {}

  /** The token in hand, where it lives long enough to be used; never waits. */
  get current(): string | null {
    return Date.now() < this.#ends ? this.#token : null;
  }

  /** A token that is good for now, or null where the host has no token endpoint.

   * @throws Failure `expired` when the host gives none, `unreachable` or `error` when it cannot say.
   */
  async get(): Promise<string | null> {
    if (!this.endpoint) return null;
    return this.current ?? this.renew();
  }

  async renew(): Promise<string> {
    this.#ends = 0;
    this.#pending ??= this.#ask().finally(() => (this.#pending = null));
    return this.#pending;
  }

  async #ask(): Promise<string> {
    const request = fetch(this.endpoint, {
      cache: "no-store",
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(PATIENCE_MS),
    });
    const response = await request.catch(() => {
      throw new Failure(trouble(navigator.onLine ? "error" : "offline", "The page's token endpoint cannot be reached."));
    });
    if (response.status === 401 || response.status === 403) throw new Failure(trouble("expired"));
    const body = (await response.json().catch(() => null)) as { token?: unknown; expires_in?: unknown } | null;
    if (!response.ok || typeof body?.token !== "string") {
      throw new Failure(trouble("error", `The page's token endpoint answered ${response.status} without a token.`));
    }
    const seconds = Number(body.expires_in) || DEFAULT_SECONDS;
    const ms = seconds * 1000;
    this.#ends = Date.now() + Math.max(ms - SPARE_MS, ms / 2);
    this.#token = body.token;
    return body.token;
  }
}

/** Requests to the service, with the admin key of this tab. */

const KEY = "citebox-admin-key";

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/** What the service said against a request (RFC 9457), or that it could not be reached. */
export class Problem extends Error {
  constructor({ title, detail, remedy = "", status = 0, request_id: request = "" }) {
    super(detail);
    Object.assign(this, { title, detail, remedy, status, request });
  }

  /** Whether the admin key is missing or wrong. */
  get locked() {
    return this.status === 401 || this.status === 403;
  }
}

export const read = async (path, query) => (await send("GET", path, query)).json();
export const act = async (method, path, query) => {
  const response = await send(method, path, query);
  return response.status === 204 ? null : response.json();
};

/** Save what a path answers with as a file. */
export async function save(path, query, name) {
  const response = await send("GET", path, query);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function send(method, path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const address = `v1/admin/${path}${given.length ? `?${new URLSearchParams(given)}` : ""}`;
  const headers = key.get() ? { Authorization: `Bearer ${key.get()}` } : {};
  let response;
  try {
    response = await fetch(address, { method, headers, cache: "no-store" });
  } catch {
    throw new Problem({ title: "The service cannot be reached", detail: "It may be down, or the network is." });
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => ({}));
  throw new Problem({ title: response.statusText, detail: "", ...told, status: response.status });
}

/** Numbers, sizes and times as people read them. Days of the service are UTC. */

const LOCALE = "en";
const plain = new Intl.NumberFormat(LOCALE);
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const moment = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const NONE = "–";

export const number = (value) => (value === null || value === undefined ? NONE : plain.format(value));
export const counted = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;
export const shownDay = (iso) => day.format(new Date(`${iso.slice(0, 10)}T00:00:00Z`));
export const time = (iso) => moment.format(new Date(iso));
export const clockTime = (date) => clock.format(date);
export const percent = (part, whole) => (whole ? `${Math.round((100 * part) / whole)} %` : NONE);

export function dollars(value) {
  if (value === null || value === undefined) return NONE;
  return `$${value.toFixed(value === 0 || value >= 1 ? 2 : value >= 0.01 ? 3 : 5)}`;
}

export function milliseconds(value) {
  if (value === null || value === undefined) return NONE;
  if (value === 0) return "0";
  const seconds = (value / 1000).toFixed(value < 10_000 ? 1 : 0).replace(/\.0$/, "");
  return value < 1000 ? `${Math.round(value)} ms` : `${seconds} s`;
}

export function bytes(value) {
  if (value === null || value === undefined) return NONE;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let left = value;
  let unit = 0;
  while (left >= 1000 && unit < units.length - 1) [left, unit] = [left / 1000, unit + 1];
  return `${left.toFixed(unit === 0 || left >= 100 ? 0 : 1)} ${units[unit]}`;
}

export function duration(seconds) {
  const [days, hours, minutes] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  return hours ? `${hours} h ${minutes} min` : `${minutes} min`;
}

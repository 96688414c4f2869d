/** The texts of a language, with what the host replaces, and how numbers are written into them. */
import type { Plural, RagSearchElement, Strings } from "../../types/index.js";
import { en } from "./en.js";

/** Texts by language; those that are not English have a file of their own, which who does not read them never loads. */
const LANGUAGES: Record<string, Strings> = { en };
const FILES: Record<string, () => Promise<Strings>> = {
  ar: async () => (await import("./ar.js")).ar,
  de: async () => (await import("./de.js")).de,
  es: async () => (await import("./es.js")).es,
};
const RIGHT_TO_LEFT = /^(ar|dv|fa|he|ps|sd|ug|ur|yi)\b/i;

export type Values = Record<string, string | number>;

export class Texts {
  readonly strings: Strings;
  readonly language: string;
  readonly wanted: string;
  readonly direction: "ltr" | "rtl";
  readonly #numbers: Intl.NumberFormat;
  readonly #plurals: Intl.PluralRules;

  /** English where there is no such language, unless the host brings texts of it. */
  constructor(wanted: string, overrides: RagSearchElement["strings"]) {
    const own = LANGUAGES[builtIn(wanted)];
    const language = own || Object.keys(overrides).length ? wanted : "en";
    this.language = language;
    this.wanted = wanted;
    this.strings = merged(own ?? en, overrides) as Strings;
    this.direction = RIGHT_TO_LEFT.test(language) ? "rtl" : "ltr";
    const known = Intl.NumberFormat.supportedLocalesOf(language);
    this.#numbers = new Intl.NumberFormat(known);
    this.#plurals = new Intl.PluralRules(known);
  }

  fill(text: string, values: Values): string {
    return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      if (typeof value === "number") return this.#numbers.format(value);
      // What runs from left to right stays together in a line that does not.
      return value === undefined || this.direction === "ltr" ? (value ?? whole) : `\u2068${value}\u2069`;
    });
  }

  count(plural: Plural, n: number, values: Values = {}): string {
    return this.fill(plural[this.#plurals.select(n)] ?? plural.other, { ...values, n });
  }

  seconds(milliseconds: number): string {
    const digits = milliseconds < 9_950 ? 1 : 0;
    return this.#format(milliseconds / 1000, { style: "unit", unit: "second", maximumFractionDigits: digits });
  }

  dollars(usd: number): string {
    return this.#format(usd, { style: "currency", currency: "USD", maximumSignificantDigits: 2 });
  }

  list(names: string[]): string {
    return new Intl.ListFormat(this.language, { type: "unit", style: "short" }).format(names);
  }

  #format(value: number, options: Intl.NumberFormatOptions): string {
    return new Intl.NumberFormat(this.#numbers.resolvedOptions().locale, options).format(value);
  }
}

/** Loads the texts of a language where that takes a moment; null where they are there, or will never be. */
export function learning(wanted: string): Promise<void> | null {
  const name = builtIn(wanted);
  const load = FILES[name];
  if (!load || LANGUAGES[name]) return null;
  return load().then(
    (texts) => void (LANGUAGES[name] = texts),
    // English then: a box in another language is better than none.
    () => void delete FILES[name],
  );
}

function builtIn(wanted: string): string {
  return wanted.toLowerCase().split("-")[0] ?? "";
}

/** A language tag that Intl takes; `en` for one that it does not. */
export function languageOf(wanted: string): string {
  try {
    return Intl.getCanonicalLocales(wanted)[0] ?? "en";
  } catch {
    return "en";
  }
}

function merged(base: object, over: object | undefined): object {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over ?? {})) {
    const inner = result[key];
    if (typeof value === "string") result[key] = value;
    else if (value && typeof inner === "object") result[key] = merged(inner as object, value as object);
  }
  return result;
}

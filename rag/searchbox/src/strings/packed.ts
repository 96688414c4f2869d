/** Texts as build.mjs writes them: without their names, in the order of the English ones. */
import type { Strings } from "../../types/index.js";
import { en } from "./en.js";

export function unpacked(texts: unknown[]): Strings {
  const fill = (like: object): object =>
    Object.fromEntries(
      Object.entries(like).map(([name, value]) => [name, isText(value) ? texts.shift() : fill(value as object)]),
    );
  return fill(en) as Strings;
}

/** One text, or one for each plural. */
const isText = (value: unknown): boolean => typeof value === "string" || "one" in (value as object);

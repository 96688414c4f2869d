import { html, type TemplateResult } from "lit";

const PATHS = {
  search: "m13 13 4 4m-2-8A6 6 0 1 1 3 9a6 6 0 0 1 12 0z",
  back: "M16 10H4m0 0 5-5m-5 5 5 5",
  close: "m5 5 10 10M15 5 5 15",
  enter: "M16 4v8H4m4-4-4 4 4 4",
  stop: "M6 6h8v8H6z",
  copy: "M7 7h10v10H7zM13 7V3H3v10h4",
  check: "m4 10.5 4 4 8-9",
  thumb: "M7 9v8M3 9h4l3-6c1 0 2 1 2 2v3h4q2 0 1.6 2l-1 5q-.4 2-2 2H3z",
  clock: "M10 6v4l3 2M17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0z",
  document: "M5 3h7l4 4v10H5zM12 3v4h4",
  out: "M8 5h7v7m0-7L5 15",
  ask: "M3 4h14v9H9l-4 4v-4H3z",
  alert: "M10 6v5m0 3v0M17 10a7 7 0 1 1-14 0 7 7 0 0 1 14 0z",
};

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): TemplateResult {
  return html`<svg class="icon ${name}" viewBox="0 0 20 20" aria-hidden="true"><path d=${PATHS[name]}></path></svg>`;
}

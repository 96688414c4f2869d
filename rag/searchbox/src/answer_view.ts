/** The text of one answer on the page, block by block: what has been built stays, and no frame is held up for long. */
import type { Answer, Citation } from "../types/index.js";
import { blocksOf, nodesOf } from "./markdown.js";
import { decorate, type Decoration, plain, signsOf, withSigns } from "./marks.js";

/** Milliseconds of building in one frame, after which the rest waits for the next. */
const BUDGET = 24;
/** A block that takes long to build is built less often while it grows: work stays below a quarter of the time. */
const REST = 3;
/** Markers that are buttons; the list of sources has them all. */
const MOST_MARKERS = 500;

interface Block {
  readonly raw: string;
  readonly nodes: Node[];
  readonly markers: number;
}

export class AnswerView {
  readonly element = document.createElement("div");
  #blocks: Block[] = [];
  /** How many of the blocks cannot change any more, and where the text goes on after them. */
  #settled = 0;
  #from = 0;
  #shown = "";
  #answer: Answer | null = null;
  /** The blocks of the finished answer. */
  #whole: string[] = [];
  #restUntil = 0;

  constructor(
    private readonly names: { table: string; code: string },
    private readonly name: Decoration["name"],
  ) {
    this.element.className = "prose";
    this.element.setAttribute("part", "answer");
  }

  /** Shows what has come so far; false when there is more to do in the next frame. */
  stream(text: string, citations: ReadonlyMap<number, Citation>): boolean {
    if (text === this.#shown) return true;
    const begun = performance.now();
    if (begun < this.#restUntil) return false;
    const tokens = blocksOf(plain(text.slice(this.#from)));
    while (tokens.at(-1)?.type === "space") tokens.pop();
    const raws = tokens.map(({ raw }) => raw);
    const built = this.#sync(this.#settled, raws, citations);
    // All but the last of the text are settled, be it that the last has been built or not.
    const settled = Math.min(built, Math.max(0, raws.length - 1));
    this.#settled += settled;
    for (const raw of raws.slice(0, settled)) this.#from += raw.length;
    if (built === raws.length) this.#shown = text;
    const now = performance.now();
    this.#restUntil = now + REST * (now - begun);
    return built === raws.length;
  }

  /** Replaces what was streamed, without touching what is the same; false as above. */
  finish(answer: Answer, citations: ReadonlyMap<number, Citation>): boolean {
    if (this.#answer !== answer) {
      this.#answer = answer;
      const signs = signsOf(answer);
      let at = 0;
      this.#whole = blocksOf(plain(answer.text)).map(({ raw }) => {
        at += raw.length;
        return withSigns(raw, at - raw.length, signs);
      });
    }
    return this.#sync(0, this.#whole, citations) === this.#whole.length;
  }

  /** Makes the blocks after the first `kept` those of `raws`; returns how many of them are there now. */
  #sync(kept: number, raws: readonly string[], citations: ReadonlyMap<number, Citation>): number {
    const until = performance.now() + BUDGET;
    let count = 0;
    while (count < raws.length && this.#blocks[kept + count]?.raw === raws[count]) count++;
    const root = this.element.getRootNode();
    const focused = root instanceof ShadowRoot ? root.activeElement : null;
    for (const { nodes } of this.#blocks.splice(kept + count)) {
      for (const node of nodes) this.element.removeChild(node);
    }
    let markers = this.#blocks.reduce((sum, block) => sum + block.markers, 0);
    for (; count < raws.length && performance.now() < until; count++) {
      const raw = raws[count] ?? "";
      const fragment = nodesOf(raw, this.names);
      const made = decorate(fragment, { citations, name: this.name }, MOST_MARKERS - markers);
      markers += made;
      this.#blocks.push({ raw, nodes: [...fragment.childNodes], markers: made });
      this.element.append(fragment);
    }
    if (focused instanceof HTMLElement && !focused.isConnected) {
      const same = `[data-marker="${focused.dataset.marker}"]`;
      this.element.querySelector<HTMLElement>(same)?.focus({ preventScroll: true });
    }
    return count;
  }
}

/** The text of one answer on the page. While it streams, only its last block is parsed and built again. */
import type { Answer, Citation } from "../types/index.js";
import { blocksOf, nodesOf } from "./markdown.js";
import { decorate, type Decoration, plain, signsOf, withSigns } from "./marks.js";

/** A block that takes long to build is built less often: work stays below a quarter of the time. */
const REST = 3;
/** Markers that are buttons; the list of sources has them all. */
const MOST_MARKERS = 500;

export class AnswerView {
  readonly element = document.createElement("div");
  /** Characters of the stream whose nodes are settled, and the markers among them. */
  #settled = 0;
  #markers = 0;
  #unsettled: Node[] = [];
  #shown = "";
  #finished: Answer | null = null;
  #restUntil = 0;

  constructor(
    private readonly tableName: string,
    private readonly name: Decoration["name"],
  ) {
    this.element.className = "prose";
    this.element.setAttribute("part", "answer");
  }

  /** Shows what has come so far; false when it rests and should be called again in the next frame. */
  stream(text: string, citations: ReadonlyMap<number, Citation>): boolean {
    if (this.#finished || text === this.#shown) return true;
    const begun = performance.now();
    if (begun < this.#restUntil) return false;
    this.#shown = text;
    const blocks = blocksOf(plain(text.slice(this.#settled)));
    while (blocks.at(-1)?.type === "space") blocks.pop();
    for (const node of this.#unsettled) node.parentNode?.removeChild(node);
    const last = blocks.pop();
    for (const { raw } of blocks) {
      const [fragment, markers] = this.#build(raw, citations, this.#markers);
      this.element.append(fragment);
      this.#settled += raw.length;
      this.#markers += markers;
    }
    const [fragment] = this.#build(last?.raw ?? "", citations, this.#markers);
    this.#unsettled = [...fragment.childNodes];
    this.element.append(fragment);
    const now = performance.now();
    this.#restUntil = now + REST * (now - begun);
    return true;
  }

  /** Replaces what was streamed, without touching what is the same. */
  finish(answer: Answer, citations: ReadonlyMap<number, Citation>): void {
    if (this.#finished === answer) return;
    this.#finished = answer;
    const whole = this.element.cloneNode(false) as Element;
    const signs = signsOf(answer);
    let at = 0;
    let made = 0;
    for (const { raw } of blocksOf(plain(answer.text))) {
      const [fragment, markers] = this.#build(withSigns(raw, at, signs), citations, made);
      whole.append(fragment);
      at += raw.length;
      made += markers;
    }
    if (!whole.isEqualNode(this.element)) this.element.replaceChildren(...whole.childNodes);
  }

  #build(raw: string, citations: ReadonlyMap<number, Citation>, before: number): [DocumentFragment, number] {
    const fragment = nodesOf(raw, this.tableName);
    return [fragment, decorate(fragment, { citations, name: this.name }, MOST_MARKERS - before)];
  }
}

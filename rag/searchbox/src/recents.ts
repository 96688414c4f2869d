/** Questions asked before, kept in this browser where the host lets them be. */

const MOST = 5;
const LONGEST = 300;

export class Recents {
  constructor(
    private readonly key: string,
    private readonly kept: boolean,
  ) {}

  get all(): string[] {
    if (!this.kept) return [];
    try {
      const stored: unknown = JSON.parse(localStorage.getItem(this.key) ?? "[]");
      return Array.isArray(stored) ? stored.filter((one) => typeof one === "string").slice(0, MOST) : [];
    } catch {
      return [];
    }
  }

  add(question: string): void {
    if (!this.kept || question.length > LONGEST) return;
    this.#store([question, ...this.all.filter((other) => other !== question)].slice(0, MOST));
  }

  clear(): void {
    this.#store([]);
  }

  #store(questions: string[]): void {
    try {
      if (questions.length) localStorage.setItem(this.key, JSON.stringify(questions));
      else localStorage.removeItem(this.key);
    } catch {
      // A browser that stores nothing is no reason not to answer.
    }
  }
}

/** Lines of JSON, each by itself: those that are what they should be are taken, the others counted and named. */
import type { z } from 'zod';
import { issueText } from './plain.ts';

const MAX_PROBLEMS = 3;
const MAX_SHOWN = 60;

export class JsonLines<Line> {
  readonly #schema: z.ZodType<Line>;
  readonly #take: (line: Line) => void;
  #lines = 0;
  #bad = 0;
  #problems: string[] = [];

  /** @param take is told each good line */
  constructor(schema: z.ZodType<Line>, take: (line: Line) => void) {
    this.#schema = schema;
    this.#take = take;
  }

  /** Lines so far, with empty and bad ones. */
  get count(): number {
    return this.#lines;
  }

  /** The lines that were left out, a sentence each, the first few. */
  get problems(): readonly string[] {
    const more = this.#bad - this.#problems.length;
    if (more === 0) return this.#problems;
    return [...this.#problems, `${more} more ${more === 1 ? 'line was' : 'lines were'} left out`];
  }

  /** Takes whole lines, parted by '\n' and without the last one. */
  add(text: string): void {
    for (const line of text.split('\n')) {
      this.#lines++;
      if (line.trim() !== '') this.#add(line);
    }
  }

  reset(): void {
    this.#lines = 0;
    this.#bad = 0;
    this.#problems = [];
  }

  #add(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      this.#leaveOut(`is no JSON and was left out: ${line.slice(0, MAX_SHOWN)}`);
      return;
    }
    const parsed = this.#schema.safeParse(value);
    if (parsed.success) {
      this.#take(parsed.data);
      return;
    }
    const { error } = parsed;
    const unknown = error.issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? issue.keys : []));
    this.#leaveOut(
      unknown.length > 0
        ? `was written by another version of this program, with ${unknown.join(', ')}, and was left out`
        : `was left out: ${issueText(error)}`,
    );
  }

  #leaveOut(what: string): void {
    this.#bad++;
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(`line ${this.#lines} ${what}`);
  }
}

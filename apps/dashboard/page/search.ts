/** Finds runs by what is written of them, and by numbers: "seed 0, finished, gini < 0.1". */
import { shownMeasures } from '@lpr/report/tables';
import type { AllSettings, RunSummary } from '../src/api.ts';

/** A run with its settings by their paths. */
export interface FoundRun {
  readonly run: RunSummary;
  readonly settings: ReadonlyMap<string, string>;
}

export function withSettings(runs: readonly RunSummary[], all: AllSettings | undefined): FoundRun[] {
  return runs.map((run) => ({
    run,
    settings: new Map(
      (all?.runs[run.id] ?? []).flatMap((value, i) => (value === null ? [] : [[all!.paths[i]!, value] as const])),
    ),
  }));
}

/** Numbers of a run by the names that a reader may write, in small letters without spaces. */
export function numbersOf({ run: { measures, step, seed }, settings }: FoundRun): Map<string, number | null> {
  const { loss, testLoss, tokensPerSecond, balance } = measures;
  const numbers = new Map<string, number | null>();
  for (const [path, value] of settings) {
    const number = value.trim() === '' ? Number.NaN : Number(value);
    if (Number.isNaN(number)) continue;
    numbers.set(path.toLowerCase(), number);
    numbers.set(path.slice(path.lastIndexOf('.') + 1).toLowerCase(), number);
  }
  for (const { key, title } of shownMeasures('full')) {
    numbers.set(key.toLowerCase(), balance[key] ?? null);
    numbers.set(title.toLowerCase().replaceAll(' ', ''), balance[key] ?? null);
  }
  const own = { loss: testLoss ?? loss, trainingloss: loss, testloss: testLoss, 'tokens/s': tokensPerSecond };
  for (const [name, value] of Object.entries({ ...own, step, seed })) numbers.set(name, value);
  return numbers;
}

/** Whether a run is what all words between commas say. */
export function matches(found: FoundRun, filter: string): boolean {
  const terms = filter
    .toLowerCase()
    .split(',')
    .map((term) => term.trim())
    .filter((term) => term !== '');
  if (terms.length === 0) return true;
  const text = textOf(found);
  return terms.every((term) => {
    const tag = /^tag *= *(.+)$/.exec(term)?.[1];
    if (tag !== undefined) return found.run.tags.some((own) => own.toLowerCase() === tag);
    const compared = /^([^<>=]+)(<=|>=|<|>|=)\s*(-?[\d.]+(?:e-?\d+)?)$/.exec(term);
    if (compared !== null) {
      const value = numbersOf(found).get(compared[1]!.replaceAll(' ', ''));
      if (value !== undefined) return value !== null && holds(value, compared[2]!, Number(compared[3]));
    }
    return occurs(text, term);
  });
}

function holds(value: number, sign: string, bound: number): boolean {
  switch (sign) {
    case '<':
      return value < bound;
    case '>':
      return value > bound;
    case '<=':
      return value <= bound;
    case '>=':
      return value >= bound;
    default:
      return value === bound;
  }
}

/** "seed 1" is not "seed 10". */
function occurs(text: string, term: string): boolean {
  const isNumber = /\d$/.test(term);
  for (let at = text.indexOf(term); at >= 0; at = text.indexOf(term, at + 1)) {
    if (!isNumber || !/^[\d.]*\d/.test(text.slice(at + term.length, at + term.length + 8))) return true;
  }
  return false;
}

function textOf({ run, settings }: FoundRun): string {
  const { id, status, problems, router, architecture, seed, tags, noteStart } = run;
  const state = problems.length > 0 ? `${status} problem` : status;
  const words = Array.from(settings, ([path, value]) => `${path} ${value}`);
  const known = [router ?? '', architecture ?? '', seed === null ? '' : `seed ${seed}`];
  return [id, state, ...known, ...tags.map((tag) => `tag ${tag}`), noteStart, ...words].join('\n').toLowerCase();
}

/** What the tests of `pnpm soak` went through, told to the program that started them. */
import { appendFileSync, readFileSync } from 'node:fs';

/** Variables that the program sets. */
const VARIABLES = { minutes: 'LPR_SOAK_MINUTES', seed: 'LPR_SOAK_SEED', records: 'LPR_SOAK_RECORDS' } as const;

/** How long a test goes on, and what decides what happens when. */
export interface Soak {
  readonly minutes: number;
  readonly seed: number;
}

export interface SoakRecord {
  /** Such as `kills of train`. */
  readonly what: string;
  readonly count: number;
  /** That it took; several records of one test have the same. */
  readonly minutes: number;
  /** How often it did not go as it must. */
  readonly lost: number;
}

/** The variables for tests that go on so long. @param records a file that is there, for what they went through */
export function soakVariables({ minutes, seed }: Soak, records: string): Readonly<Record<string, string>> {
  return {
    [VARIABLES.minutes]: String(minutes),
    [VARIABLES.seed]: String(seed),
    [VARIABLES.records]: records,
  };
}

/** What the test was told. @throws Error outside of `pnpm soak` */
export function soakOf(environment: NodeJS.ProcessEnv = process.env): Soak {
  const [minutes, seed] = [Number(environment[VARIABLES.minutes]), Number(environment[VARIABLES.seed])];
  if (minutes > 0 && Number.isInteger(seed)) return { minutes, seed };
  throw new Error('run this by pnpm soak, which says how long it goes on');
}

export function recordSoak(records: readonly SoakRecord[], environment: NodeJS.ProcessEnv = process.env): void {
  const file = environment[VARIABLES.records];
  if (file !== undefined) appendFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

export function readRecords(file: string): SoakRecord[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as SoakRecord);
}

/** Records by what they are of, those of before first, with their numbers added up. */
export function addedUp(before: readonly SoakRecord[], now: readonly SoakRecord[]): SoakRecord[] {
  const sums = new Map<string, SoakRecord>();
  for (const { what, count, minutes, lost } of [...before, ...now]) {
    const sum = sums.get(what) ?? { what, count: 0, minutes: 0, lost: 0 };
    sums.set(what, {
      what,
      count: sum.count + count,
      minutes: sum.minutes + minutes,
      lost: sum.lost + lost,
    });
  }
  return [...sums.values()];
}

/**
 * What the runs of one setting say of it: with several seeds, means over them; with one, that run, and how far its
 * held-out text decides it. Settings are compared in pairs of a seed, or of a block of text.
 */
import { type BalanceKey, balanceMeasures, differenceBySeed, type Estimate, meanEstimate } from '@lpr/metrics';
import type { ComparedRun, Measures } from '@lpr/report/tables';
import type { Usage } from '@lpr/runs/browser';
import { informationOf, namedLevels, type RunResult } from './runs.ts';

/** What is estimated: the test loss, mutual information less its bias, each measure of balance as mean over layers. */
export type Quantity = 'testLoss' | 'information' | BalanceKey;

export const QUANTITIES: readonly Quantity[] = ['testLoss', 'information', ...balanceMeasures.map(({ key }) => key)];

/** Runs that differ in their seed alone. */
export interface RunGroup {
  /** Of the setting. */
  readonly name: string;
  /** At least one, by their seeds. */
  readonly runs: readonly [RunResult, ...RunResult[]];
}

/** Runs by their names, in the order in which these first occur. */
export function groupRuns(runs: readonly RunResult[]): RunGroup[] {
  return [...new Set(runs.map(({ name }) => name))].map((name) => {
    const own = runs.filter((run) => run.name === name).toSorted((a, b) => a.seed - b.seed);
    return { name, runs: own as [RunResult, ...RunResult[]] };
  });
}

/** What the errors of a group are of; null where one seed stands alone and the text was not looked at. */
export function errorsOf({ runs }: RunGroup): 'seeds' | 'blocks' | null {
  if (runs.length > 1) return 'seeds';
  return runs[0].bootstrap === undefined ? null : 'blocks';
}

/** With its 95 % interval; null where it does not exist in one of the runs. */
export function estimateOf({ runs }: RunGroup, quantity: Quantity): Estimate | null {
  const values = runs.map((run) => quantityOf(run, quantity));
  if (values.includes(null)) return null;
  if (runs.length > 1) return meanEstimate(values as number[]);
  return { mean: values[0]!, error: runs[0].bootstrap?.errors[quantity] ?? null };
}

/**
 * How much more a setting has than another one, over the seeds that both have; of one seed, over the blocks of text
 * where that was computed.
 *
 * @returns null where they have no seed in common, or it does not exist in one of the runs
 */
export function differenceOf(group: RunGroup, baseline: RunGroup, quantity: Quantity): Estimate | null {
  const [first, ...others] = group.runs;
  if (others.length === 0 && baseline.runs.some(({ seed }) => seed === first.seed)) {
    const known = first.bootstrap?.differences[baseline.name]?.[quantity];
    if (known !== undefined) return known;
  }
  const bySeed = ({ runs }: RunGroup) => new Map(runs.map((run) => [run.seed, quantityOf(run, quantity)]));
  return differenceBySeed(bySeed(group), bySeed(baseline));
}

/** Something of each quantity that there is, under its name. */
export function mapQuantities<Value>(of: (quantity: Quantity) => Value | null): Partial<Record<Quantity, Value>> {
  return Object.fromEntries(
    QUANTITIES.flatMap((quantity) => {
      const value = of(quantity);
      return value === null ? [] : [[quantity, value]];
    }),
  );
}

/**
 * A setting as a comparison shows it.
 *
 * @param baseline that it is compared with; itself or null: none
 */
export function comparedRun(group: RunGroup, baseline: RunGroup | null): ComparedRun {
  const { runs } = group;
  const [first] = runs;
  const estimates = mapQuantities((quantity) => estimateOf(group, quantity));
  const pValues = runs.map(({ pValue = null }) => pValue);
  const { testLoss, information, ...mean } = mapQuantities((quantity) => estimates[quantity]?.mean ?? null);
  return {
    ...namedLevels(first),
    settings: first.settings,
    expertsPerToken: meanOf(runs.map(({ topK }) => topK)),
    evaluatedTokens: first.evaluatedTokens,
    testLoss: testLoss!,
    usage: usageOf(runs),
    steps: first.steps,
    trainingFlops: meanOf(runs.map(({ trainingFlops = null }) => trainingFlops)),
    mean: first.topK === null ? null : mean,
    worst: worstOf(runs),
    information: information ?? null,
    tokensPerSecond: meanOf(runs.map(({ tokensPerSecond }) => tokensPerSecond)),
    // Marked where the loads of every seed differ from a uniform router's.
    pValue: pValues.includes(null) ? null : Math.max(...(pValues as number[])),
    seeds: runs.map(({ seed }) => seed),
    errorsOf: errorsOf(group),
    errors: mapQuantities((quantity) => estimates[quantity]?.error ?? null),
    differences:
      baseline === null || baseline.name === group.name
        ? null
        : mapQuantities((quantity) => differenceOf(group, baseline, quantity)),
  };
}

/** Of each measure its mean over runs, where all have it. */
function worstOf(runs: readonly RunResult[]): Measures | null {
  if (runs.some(({ worst }) => worst === null)) return null;
  return Object.fromEntries(
    balanceMeasures.map(({ key }) => [key, meanOf(runs.map(({ worst }) => worst![key] ?? null))]),
  );
}

/** Means over runs, where all have it. */
function usageOf(runs: readonly RunResult[]): Usage | null {
  const all = runs.flatMap(({ usage }) => usage ?? []);
  if (all.length < runs.length) return null;
  const mean = (of: (usage: Usage) => number): number => meanEstimate(all.map(of)).mean;
  return {
    activeParameters: mean(({ activeParameters }) => activeParameters),
    flopsPerToken: mean(({ flopsPerToken }) => flopsPerToken),
    emptySlots: {
      dropped: mean(({ emptySlots }) => emptySlots.dropped),
      null: mean(({ emptySlots }) => emptySlots.null),
      inactive: mean(({ emptySlots }) => emptySlots.inactive),
    },
  };
}

/** null where one is missing. */
function meanOf(values: readonly (number | null)[]): number | null {
  return values.includes(null) ? null : meanEstimate(values as number[]).mean;
}

function quantityOf(run: RunResult, quantity: Quantity): number | null {
  if (quantity === 'testLoss') return run.testLoss;
  return quantity === 'information' ? informationOf(run) : (run.mean[quantity] ?? null);
}

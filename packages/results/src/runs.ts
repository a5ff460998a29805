/** The result of a trained run: what the run was, and what it gave on held-out text. */
import { z } from 'zod';

/**
 * Measures of balance by their names in `@lpr/metrics`, as a mean over layers or of the worst layer; null where there
 * was no load.
 */
export interface Measures {
  readonly gini: number | null;
  readonly minMax: number | null;
  readonly [measure: string]: number | null;
}

export type Setting = string | number | boolean | null;

/** A trained run and its evaluation. */
export interface RunResult {
  /** The name of its folder without the seed: runs of one name differ in their seed alone. */
  readonly name: string;
  /** The model's: "Qwen3-MoE-LPR". */
  readonly title: string;
  readonly router: string;
  readonly architecture: string;
  readonly seed: number;
  readonly steps: number;
  readonly experts: number;
  /** Experts a token. */
  readonly topK: number;
  /** Width of the latents; null for routers without. */
  readonly latentDim: number | null;
  readonly parameters: number;
  readonly trainedTokens: number;
  readonly evaluatedTokens: number;
  /** Cross entropy in nats. */
  readonly testLoss: number;
  readonly mean: Measures;
  readonly worst: Measures | null;
  /** I(expert; token id) in nats, mean over layers, beside what samples without any relation would show. */
  readonly mutualInformation: number | null;
  readonly mutualInformationBias: number | null;
  /** In training; null where it is not known. */
  readonly tokensPerSecond: number | null;
  /** The levels that routers without structure reach at as many tokens. */
  readonly samplingFloor: Measures;
  readonly isotropicNull: Measures;
  /** By the dotted path of their key: those in which it differs from what most runs of the file have. */
  readonly settings: Readonly<Record<string, Setting>>;
}

const measures = z
  .object({ gini: z.number().nullable(), minMax: z.number().nullable() })
  .catchall(z.number().nullable());
const count = z.int().min(0);
export const settingsSchema: z.ZodType<Readonly<Record<string, Setting>>> = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.null()]),
);

export const runSchema: z.ZodType<RunResult> = z.strictObject({
  name: z.string(),
  title: z.string(),
  router: z.string(),
  architecture: z.string(),
  seed: count,
  steps: count,
  experts: count,
  topK: count,
  latentDim: count.nullable(),
  parameters: count,
  trainedTokens: count,
  evaluatedTokens: count,
  testLoss: z.number(),
  mean: measures,
  worst: measures.nullable(),
  mutualInformation: z.number().nullable(),
  mutualInformationBias: z.number().nullable(),
  tokensPerSecond: z.number().nullable(),
  samplingFloor: measures,
  isotropicNull: measures,
  settings: settingsSchema,
});

/** Mutual information of expert and token less the bias of its estimate. */
export function informationOf({ mutualInformation, mutualInformationBias }: RunResult): number | null {
  return mutualInformation === null || mutualInformationBias === null
    ? null
    : mutualInformation - mutualInformationBias;
}

/**
 * Takes out of the runs what most of them share: for every setting its most frequent value among the runs that have
 * it. What is left in a run is what tells it apart.
 */
export function shareSettings(runs: readonly RunResult[]): {
  readonly shared: Record<string, Setting>;
  readonly runs: RunResult[];
} {
  const counts = new Map<string, Map<Setting, number>>();
  for (const { settings } of runs) {
    for (const [key, value] of Object.entries(settings)) {
      const values = counts.get(key) ?? new Map<Setting, number>();
      counts.set(key, values.set(value, (values.get(value) ?? 0) + 1));
    }
  }
  const shared = Object.fromEntries(
    Array.from(counts, ([key, values]) => [key, [...values].reduce((a, b) => (b[1] > a[1] ? b : a))[0]]),
  );
  return {
    shared,
    runs: runs.map((run) => ({
      ...run,
      settings: Object.fromEntries(Object.entries(run.settings).filter(([key, value]) => shared[key] !== value)),
    })),
  };
}

/** Settings by the dotted paths of their keys; lists as one word each. */
export function flatSettings(settings: object, above: string = ''): Record<string, Setting> {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([key, value]: [string, unknown]) => {
      if (value === undefined) return [];
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
        return Object.entries(flatSettings(value, `${above}${key}.`));
      }
      return [
        [`${above}${key}`, typeof value === 'object' && value !== null ? JSON.stringify(value) : (value as Setting)],
      ];
    }),
  );
}

/** The result of a trained run: what the run was, and what it gave on held-out text. */
import type { Estimate } from '@lpr/metrics';
import { type Levels, type Measures, type NamedLevels, wholeTopK } from '@lpr/report/tables';
import { type Usage, usageSchema } from '@lpr/runs/browser';
import { z } from 'zod';

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
  /** Experts that a token really went to, a layer; null for a model without. */
  readonly topK: number | null;
  /** Width of the latents; null for routers without. */
  readonly latentDim: number | null;
  readonly parameters: number;
  readonly trainedTokens: number;
  readonly evaluatedTokens: number;
  /** Cross entropy in nats. */
  readonly testLoss: number;
  /** What held-out tokens used of the model; left out in results of earlier versions, as what follows. */
  readonly usage?: Usage | undefined;
  /** Floating-point operations of the whole training, by where its tokens went; null where that was not kept. */
  readonly trainingFlops?: number | null | undefined;
  /** Balance by the names of the measures in `@lpr/metrics`: mean over layers, and the worst layer. */
  readonly mean: Measures;
  readonly worst: Measures | null;
  /** That uniform routers make loads at least as uneven; left out where it was not computed. */
  readonly pValue?: number | null | undefined;
  /** I(expert; token id) in nats, mean over layers, beside what samples without any relation would show. */
  readonly mutualInformation: number | null;
  readonly mutualInformationBias: number | null;
  /** In training; null where it is not known. */
  readonly tokensPerSecond: number | null;
  /** What its load costs, by the keys of `placementCosts`; left out in results of earlier versions. */
  readonly placement?: Readonly<Record<string, number>> | undefined;
  /** The levels that routers without structure reach at as many tokens. */
  readonly samplingFloor: Levels;
  readonly isotropicNull: Levels;
  /**
   * The level of a router that is even over all such text, on pieces as different as those of the held-out text
   * (`textFloor` of @lpr/metrics); left out where the run did not keep them, and in results of earlier versions.
   */
  readonly textFloor?: Levels | undefined;
  /**
   * How far the held-out text decides its numbers, of a setting with one seed; left out where that is not known, and
   * where seeds say more.
   */
  readonly bootstrap?: RunBootstrap | undefined;
  /** By the dotted path of their key: those in which it differs from what most runs of the file have. */
  readonly settings: Readonly<Record<string, Setting>>;
}

/** From a bootstrap over blocks of the text, by `Quantity`. */
export interface RunBootstrap {
  /** Half the widths of 95 % intervals; null where there is none. */
  readonly errors: Readonly<Record<string, number | null>>;
  /** How much more it has than other runs, by the names of their settings, on the same blocks. */
  readonly differences: Readonly<Record<string, Readonly<Record<string, Estimate>>>>;
}

/** Not a list of names: a measure that @lpr/metrics gains is stored and read without a change here. */
const measures = z.record(z.string(), z.number().nullable()) as unknown as z.ZodType<Measures>;
const levels = z.record(
  z.string(),
  z.union([z.number(), z.null(), z.strictObject({ mean: z.number(), low: z.number(), high: z.number() })]),
) as unknown as z.ZodType<Levels>;
const count = z.int().min(0);
export const settingsSchema: z.ZodType<Readonly<Record<string, Setting>>> = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean(), z.null()]),
);

const bootstrapSchema: z.ZodType<RunBootstrap> = z.strictObject({
  errors: z.record(z.string(), z.number().nullable()),
  differences: z.record(
    z.string(),
    z.record(z.string(), z.strictObject({ mean: z.number(), error: z.number().nullable() })),
  ),
});

export const runSchema: z.ZodType<RunResult> = z.strictObject({
  name: z.string(),
  title: z.string(),
  router: z.string(),
  architecture: z.string(),
  seed: count,
  steps: count,
  experts: count,
  topK: z.number().nullable(),
  latentDim: count.nullable(),
  parameters: count,
  trainedTokens: count,
  evaluatedTokens: count,
  testLoss: z.number(),
  usage: usageSchema.optional(),
  trainingFlops: z.number().nullable().optional(),
  mean: measures,
  worst: measures.nullable(),
  pValue: z.number().nullable().optional(),
  mutualInformation: z.number().nullable(),
  mutualInformationBias: z.number().nullable(),
  tokensPerSecond: z.number().nullable(),
  placement: z.record(z.string(), z.number()).optional(),
  samplingFloor: levels,
  isotropicNull: levels,
  textFloor: levels.optional(),
  bootstrap: bootstrapSchema.optional(),
  settings: settingsSchema,
});

/** A level of a measure as one number. */
export function levelMean(level: Levels[keyof Levels]): number | null {
  return typeof level === 'object' ? (level?.mean ?? null) : (level ?? null);
}

/** Mutual information of expert and token less the bias of its estimate. */
export function informationOf({ mutualInformation, mutualInformationBias }: RunResult): number | null {
  return mutualInformation === null || mutualInformationBias === null
    ? null
    : mutualInformation - mutualInformationBias;
}

/** The levels that a run is to be read against. */
export function namedLevels(run: RunResult): NamedLevels {
  const { title, experts, topK, latentDim, evaluatedTokens, samplingFloor, isotropicNull } = run;
  const size = {
    experts,
    tokens: evaluatedTokens,
    ...(topK !== null && { topK: wholeTopK(topK, experts) }),
    ...(latentDim !== null && { latentDim }),
  };
  return { name: title, levels: topK === null ? null : { size, samplingFloor, isotropicNull } };
}

/**
 * Takes out of the runs what most of them share: for every setting its most frequent value among the runs that have
 * it. What is left in a run is what tells it apart. A setting that a run does without, though it has others of its
 * group, stays in those that have it: it would look as if all had it. (Whole groups, such as `lpr`, only some routers
 * have.)
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
  const groups = runs.map(({ settings }) => new Set(Object.keys(settings).map(groupOf)));
  const isOptional = (key: string): boolean =>
    runs.some(({ settings }, i) => !(key in settings) && (!key.includes('.') || groups[i]!.has(groupOf(key))));
  const shared = Object.fromEntries(
    Array.from(counts).flatMap(([key, values]) =>
      isOptional(key) ? [] : [[key, [...values].reduce((a, b) => (b[1] > a[1] ? b : a))[0]]],
    ),
  );
  return {
    shared,
    runs: runs.map((run) => ({
      ...run,
      settings: Object.fromEntries(Object.entries(run.settings).filter(([key, value]) => shared[key] !== value)),
    })),
  };
}

function groupOf(key: string): string {
  return key.split('.', 1)[0]!;
}

/** Runs as before `shareSettings`, each with all of its settings. */
export function withSharedSettings({
  shared,
  runs,
}: {
  readonly shared: Readonly<Record<string, Setting>>;
  readonly runs: readonly RunResult[];
}): RunResult[] {
  return runs.map((run) => ({ ...run, settings: { ...shared, ...run.settings } }));
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

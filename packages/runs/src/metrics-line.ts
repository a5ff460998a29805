/** The lines of `metrics.jsonl`: one a training step, in the order of the steps. */
import { z } from 'zod';
import { balanceSchema } from './balance.ts';
import { countSchema, measureSchema, type ReadonlyDeep, stepSchema } from './plain.ts';

/** Norms of the gradient of one term of the objective, by part of the model. */
const partNormsSchema = z.strictObject({
  /** What routers consist of besides prototypes: encoders, norms. */
  router: measureSchema,
  /** What routers hold of each expert. */
  prototypes: measureSchema,
  /** All the rest. */
  trunk: measureSchema,
});

export const metricsLineSchema = z.strictObject({
  /** Steps done. */
  step: stepSchema,
  /** Tokens trained on so far. */
  tokens: countSchema,
  /** Cross entropy of this step's batch, nats per token. */
  loss: z.number(),
  /** With all weighted terms. */
  totalLoss: z.number(),
  learningRate: z.number(),
  /** Before clipping. */
  gradientNorm: z.number(),
  /** Each further term of the objective, one value a layer (a single one where layers are pooled). */
  terms: z.record(z.string(), z.strictObject({ raw: z.array(measureSchema), weighted: z.array(measureSchema) })),
  /** Where a logging window closes: balance of its exact loads. */
  balance: balanceSchema.optional(),
  /** Over the window, as this machine ran it. */
  tokensPerSecond: z.number().optional(),
  /**
   * Milliseconds a step by part of the model, and 'idle', mean over the window; left out on devices that do not time
   * what they run.
   */
  phases: z.record(z.string(), z.number()).optional(),
  /** Bytes: resident memory of the process, and the most that was ever live on the device. */
  memory: z.strictObject({ host: z.number(), device: z.number() }).optional(),
  /** Where several ranks trained together: means over the ranks and the steps of the window. */
  ranks: z
    .strictObject({
      /** Bytes that a rank sent, a step: gradients and statistics. */
      sentGradients: z.number(),
      /** Bytes that a rank sent, a step: tokens to experts of others, and back. */
      sentTokens: z.number(),
      /** Where ranks own some experts each: rows of the rank that got the most over the mean. */
      slowestLoad: z.number().optional(),
      /** Likewise: milliseconds a step that a rank waited for slower ones. */
      imbalance: z.number().optional(),
    })
    .optional(),
  /** Where they were measured: of the cross entropy ('task') and of each further term, weighted. */
  gradientNorms: z.record(z.string(), partNormsSchema).optional(),
});

export type PartNorms = ReadonlyDeep<z.infer<typeof partNormsSchema>>;

/**
 * One line of `metrics.jsonl`. Everything but `tokensPerSecond`, `phases`, `memory` and `ranks` is decided by the
 * settings alone.
 */
export type MetricsLine = ReadonlyDeep<z.infer<typeof metricsLineSchema>>;

/**
 * Every number of a line by the name of its series: fields by their own (`loss`, `tokensPerSecond`, ...),
 * `balance.MEASURE` and `worst.MEASURE`, `phase.PART` in milliseconds, `memory.PLACE` in bytes, `ranks.NAME`,
 * `term.NAME` (weighted, summed over layers), `norm.TERM.PART`. What does not exist is left out.
 */
export function* seriesOf(line: MetricsLine): Generator<readonly [name: string, value: number]> {
  for (const [name, value] of Object.entries(line)) {
    if (typeof value === 'number' && name !== 'step') yield [name, value];
  }
  yield* within('balance', line.balance?.mean);
  yield* within('worst', line.balance?.worst);
  yield* within('phase', line.phases);
  yield* within('memory', line.memory);
  yield* within('ranks', line.ranks);
  for (const [term, { weighted }] of Object.entries(line.terms)) {
    const sum = weightedSum(weighted);
    if (sum !== null) yield [`term.${term}`, sum];
  }
  for (const [term, norms] of Object.entries(line.gradientNorms ?? {})) yield* within(`norm.${term}`, norms);
}

function* within(group: string, values: object | undefined): Generator<readonly [name: string, value: number]> {
  for (const [name, value] of Object.entries(values ?? {}) as [string, unknown][]) {
    if (typeof value === 'number') yield [`${group}.${name}`, value];
  }
}

/** What the layers of a term add up to; null where one of them does not exist. */
export function weightedSum(weighted: readonly (number | null)[]): number | null {
  return weighted.reduce((sum, value) => (sum === null || value === null ? null : sum + value), 0);
}

/**
 * Tokens a second over all windows: their tokens over their time. null before the first window closed.
 *
 * @param lines of a run, from its first step on, or from behind the end of a window on
 * @param start tokens at the end of that window
 */
export function overallTokensPerSecond(lines: Iterable<MetricsLine>, start: number = 0): number | null {
  let before = start;
  let [tokens, seconds] = [0, 0];
  for (const { tokens: done, tokensPerSecond } of lines) {
    if (tokensPerSecond === undefined) continue;
    // A speed that rounds to nothing says nothing of the time.
    if (tokensPerSecond > 0) {
      tokens += done - before;
      seconds += (done - before) / tokensPerSecond;
    }
    before = done;
  }
  return seconds > 0 ? tokens / seconds : null;
}

/**
 * What each part of the model took of the time of all windows, and idle: waiting for work. Empty on devices that do not
 * time what they run.
 */
export function timeShares(lines: Iterable<MetricsLine>): Record<string, number> {
  const times: Record<string, number> = {};
  let before = 0;
  for (const { step, tokensPerSecond, phases } of lines) {
    for (const [part, time] of Object.entries(phases ?? {})) times[part] = (times[part] ?? 0) + time * (step - before);
    if (tokensPerSecond !== undefined) before = step;
  }
  const total = Object.values(times).reduce((a, b) => a + b, 0);
  return total > 0 ? Object.fromEntries(Object.entries(times).map(([part, time]) => [part, time / total])) : {};
}

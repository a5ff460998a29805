/** The lines of `evaluations.jsonl`: one an evaluation on held-out text; the last one of a finished run is `final`. */
import { z } from 'zod';
import { balanceSchema } from './balance.ts';
import { countSchema, measureSchema, type ReadonlyDeep, stepSchema } from './plain.ts';

const shareSchema = z.number().min(0).max(1);

/** What a model really used of itself on held-out text, whatever k its router was set to. */
export const usageSchema = z.strictObject({
  /** Trained parameters that a token passed, mean over tokens: of experts those that it went to. */
  activeParameters: z.number().min(0),
  /** Floating-point operations of a token's forward pass, mean over tokens: matrix products alone. */
  flopsPerToken: z.number().min(0),
  /**
   * Shares of the slots that routers fill (k a token, or as many as there are experts where a method takes any number)
   * which held no expert, by reason: the expert was full, a null expert was chosen, the method used fewer.
   */
  emptySlots: z.strictObject({ dropped: shareSchema, null: shareSchema, inactive: shareSchema }),
});

/** What held-out tokens used of a model. */
export type Usage = ReadonlyDeep<z.infer<typeof usageSchema>>;

export const evaluationLineSchema = z.strictObject({
  /** Training steps done. */
  step: stepSchema,
  /** Tokens trained on so far. */
  tokens: countSchema,
  /** Whether this is the evaluation at the end of the run, which is finished then. */
  final: z.boolean(),
  /** Cross entropy of each domain in nats a token, `exp` of it, and over how many tokens. */
  domains: z.record(z.string(), z.strictObject({ loss: z.number(), perplexity: measureSchema, tokens: countSchema })),
  /** Of the mix that is trained on, as all that follows; domains besides it do not count here. */
  loss: z.number(),
  perplexity: measureSchema,
  evaluatedTokens: countSchema,
  /** Of the exact loads; null for a model without experts. */
  balance: balanceSchema.nullable(),
  /**
   * I(expert; token id) in nats, mean over layers, beside what samples without any relation would show; null where it
   * would not fit into memory.
   */
  mutualInformation: measureSchema,
  mutualInformationBias: measureSchema,
  /** Left out in runs of earlier versions. */
  usage: usageSchema.optional(),
  /**
   * How decided the router of each layer is, over the batches that routing traces are of: entropy of its scores over
   * the largest there is, margin of its choices in standard deviations of a token's scores, and the margin that
   * unrelated scores have; null for a router whose experts are not those of the largest scores. Left out where no
   * routing is kept.
   */
  decisions: z
    .array(
      z.strictObject({ entropy: measureSchema, margin: measureSchema, independentMargin: measureSchema }).nullable(),
    )
    .optional(),
  /** Exact loads `[layers][experts]`: token-expert pairs that each expert got. */
  counts: z
    .array(z.array(countSchema).min(1))
    .refine((layers) => layers.every(({ length }) => length === layers[0]!.length), 'layers have different lengths'),
});

/** One line of `evaluations.jsonl`. */
export type EvaluationLine = ReadonlyDeep<z.infer<typeof evaluationLineSchema>>;

/** How decided routers are, the mean over the layers of which it is known. */
export interface MeanDecisions {
  readonly entropy: number;
  /** null where tokens go to all experts. */
  readonly margin: number | null;
  readonly independentMargin: number | null;
}

/** null where it is known of no layer. */
export function decisionsOverLayers({ decisions = [] }: Pick<EvaluationLine, 'decisions'>): MeanDecisions | null {
  const known = decisions.flatMap((layer) => layer ?? []);
  const mean = (key: keyof MeanDecisions): number | null => {
    const values = known.flatMap((layer) => layer[key] ?? []);
    return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  const entropy = mean('entropy');
  return entropy === null ? null : { entropy, margin: mean('margin'), independentMargin: mean('independentMargin') };
}

/** The evaluation of the finished model; undefined while a run is not finished. */
export function finalEvaluation(evaluations: readonly EvaluationLine[]): EvaluationLine | undefined {
  return evaluations.findLast(({ final }) => final);
}

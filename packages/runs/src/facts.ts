/**
 * What readers of runs want to know of the settings, which are the trainer's own: a few fields, taken where they are.
 */
import { z } from 'zod';

const text = z.string().nullable().catch(null);
const number = z.number().nullable().catch(null);

const factsSchema = z.object({
  architecture: text,
  router: text,
  seed: number,
  training: z.object({ steps: number }).catch({ steps: null }),
  data: z.object({ sequenceLength: number }).catch({ sequenceLength: null }),
  lpr: z.object({ latentDim: number, measure: text }).catch({ latentDim: null, measure: null }),
});

/** null for what the settings do not say. */
export interface RunFacts {
  readonly architecture: string | null;
  readonly router: string | null;
  readonly seed: number | null;
  /** Steps that the run is to have. */
  readonly steps: number | null;
  /** Tokens in each sequence. */
  readonly sequenceLength: number | null;
  /** Width of the latent space, where the router has one. */
  readonly latentDim: number | null;
  /** Whether the router compares directions alone, not lengths. */
  readonly byAngle: boolean;
}

/**
 * The facts of some settings.
 *
 * @param settings what `config.yaml` holds, whatever that is
 */
export function factsOf(settings: unknown): RunFacts {
  const parsed = factsSchema.safeParse(settings);
  if (!parsed.success) return { ...NOTHING };
  const { architecture, router, seed, training, data, lpr } = parsed.data;
  return {
    architecture,
    router,
    seed,
    steps: training.steps,
    sequenceLength: data.sequenceLength,
    latentDim: lpr.latentDim,
    byAngle: lpr.measure === 'cosine',
  };
}

const NOTHING: RunFacts = {
  architecture: null,
  router: null,
  seed: null,
  steps: null,
  sequenceLength: null,
  latentDim: null,
  byAngle: false,
};

/** The leaves of plain data by their path, such as `data.sources.0.type`; an empty list or group is one. */
export function leavesOf(value: unknown, path: string = ''): [path: string, leaf: unknown][] {
  const fields = typeof value === 'object' && value !== null ? Object.entries(value) : [];
  if (fields.length === 0) return path === '' || value === undefined ? [] : [[path, value]];
  return fields.flatMap(([name, inner]) => leavesOf(inner, path === '' ? name : `${path}.${name}`));
}

/** The leaves of settings as text, as `config.yaml` has them. */
export function settingTexts(settings: unknown): [path: string, text: string][] {
  return leavesOf(settings).map(([path, leaf]) => [path, typeof leaf === 'string' ? leaf : JSON.stringify(leaf)]);
}

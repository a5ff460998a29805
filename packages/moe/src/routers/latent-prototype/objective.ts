/**
 * What Latent Prototype Routing does in training besides routing: its regularisers (equation 24), and the sums that
 * they and the moving averages read.
 */
import { affine, cast, matmul, ones, scatterAlongRows, segmentSum, softmax, sum, type Tensor } from '@lpr/tensor';
import { withoutGradients } from '@lpr/tensor/nn';
import type { Choices } from '../../choices.ts';
import type { LossTerm, Routing } from '../../router.ts';
import { type BatchPart, overWhole } from '../../statistics.ts';
import { gramOf, meanCosine, negativeMeanDistance, orthogonality } from './diversity.ts';
import { assignedSums, moments } from './ema.ts';
import type { LatentPrototypeOptions } from './options.ts';
import {
  alignmentOfAssignedCentres,
  alignmentOfAssignedMeans,
  alignmentOfMixture,
  alignmentOfSums,
  assignmentOf,
  klToStandardNormal,
} from './regularizers.ts';
import { comparesDistributions, type Rows } from './similarity.ts';

/** How tokens were routed, as far as the objective reads it. */
export interface Routed {
  readonly keys: Rows;
  /** What was compared with the keys: z or mu. */
  readonly latents: Rows;
  readonly mu: Tensor;
  readonly logvar: Tensor;
  readonly z: Tensor;
  readonly scores: Tensor;
  readonly chosenScores: Tensor;
  readonly choices: Choices;
  /** The keys mixed by the softmax over all scores, where the paper's alignment asks for it. */
  readonly aggregate: Tensor | null;
}

/**
 * Names among the sums and rows of a batch: of latents, of what alignment compares with, of what the moving averages
 * add up.
 */
const LATENTS = 'latents';
const ALIGNED = 'aligned';
export const AVERAGED = 'averaged';

/** Width of what is averaged of a token: its latent, or its first and second moment. */
function averagedWidth(options: LatentPrototypeOptions): number {
  const both = options.ema === 'official' && comparesDistributions(options);
  return both ? 2 * options.latentDim : options.latentDim;
}

/** Loss terms and statistics of routed tokens in training. */
export function objectiveOf(
  options: LatentPrototypeOptions,
  routed: Routed,
  part: BatchPart | undefined,
): Required<Pick<Routing, 'losses' | 'details' | 'sums' | 'rows'>> {
  const { keys, latents, mu, logvar } = routed;
  const { alignment, diversityTarget, ema, strength } = options;
  const losses: LossTerm[] = [];
  const record = (name: string, value: Tensor, weight: number): void => {
    losses.push({ name, value, weight: strength * weight });
  };
  if (diversityTarget !== 'keys')
    record('diversityTokens', diversityOf(latents, options, part), options.diversityWeight);
  if (diversityTarget !== 'tokens') record('diversityKeys', diversityOf(keys, options), options.diversityWeight);
  record('kl', klToStandardNormal(mu, logvar), options.klWeight);
  const assignment =
    alignment === 'official' || ema === 'official'
      ? assignmentOf(routed.chosenScores, routed.choices.experts, keys.raw.shape[0]!, options.assignment)
      : null;
  const aligned = alignment === 'paper' ? null : alignedSums(options, routed, assignment);
  record('alignment', alignmentOf(options, routed, aligned, part), options.alignmentWeight);
  const surveyed = part !== undefined && part.statistics === undefined;
  const all = surveyed && diversityTarget !== 'keys' ? latentStatistics(options, latents) : {};
  return {
    losses,
    details: alignment === 'official' ? { routing: assignment! } : {},
    sums: {
      ...all.sums,
      ...(aligned === null ? {} : { [ALIGNED]: aligned }),
      ...(ema === 'off' ? {} : { [AVERAGED]: averagedSums(options, routed, assignment) }),
    },
    rows: { ...all.rows },
  };
}

function diversityOf(
  rows: Rows,
  { diversity, diversityNormalize: unit, diversityReduce: reduce }: LatentPrototypeOptions,
  { statistics, first = 0 }: Partial<BatchPart> = {},
): Tensor {
  const total = statistics?.sums[LATENTS];
  const whole = total && { count: statistics.tokens, total };
  if (diversity === 'cosine') return meanCosine(rows.unit, whole);
  if (diversity === 'orthogonal') return orthogonality(unit ? rows.unit : rows.raw, { unit, reduce }, whole);
  const all = statistics?.rows[LATENTS];
  return negativeMeanDistance(rows.raw, all && { rows: all, first });
}

/** What the diversity of all latents of a batch is computed from. */
function latentStatistics(
  { diversity, diversityNormalize: unit }: LatentPrototypeOptions,
  latents: Rows,
): Pick<Routing, 'sums' | 'rows'> {
  return withoutGradients(latents.raw.device, () => {
    if (diversity === 'cosine') return { sums: { [LATENTS]: sum(latents.unit, 0) } };
    if (diversity === 'orthogonal') return { sums: { [LATENTS]: gramOf(unit ? latents.unit : latents.raw) } };
    return { rows: { [LATENTS]: affine(latents.raw, 1) } };
  });
}

/** Sums over the tokens of each expert, `[M, D]`, without gradients. */
function alignedSums(
  { alignment, measure }: LatentPrototypeOptions,
  routed: Routed,
  assignment: Tensor | null,
): Tensor {
  const { latents, z, choices } = routed;
  return withoutGradients(z.device, () => {
    if (alignment === 'official') return matmul(assignment!, z, { transposeA: true });
    return segmentSum(measure === 'cosine' ? latents.unit : latents.raw, choices.plan);
  });
}

function alignmentOf(
  { alignment, measure }: LatentPrototypeOptions,
  { keys, z, aggregate, choices }: Routed,
  aligned: Tensor | null,
  part: BatchPart | undefined,
): Tensor {
  if (aligned === null) {
    const own = alignmentOfMixture(z, aggregate!);
    const [tokens = 0] = z.shape;
    // A sum over tokens: the part's, in proportion.
    return part === undefined ? own : affine(own, part.tokens / tokens);
  }
  const sums = overWhole(part, 'sums', ALIGNED, aligned);
  if (alignment === 'official') return alignmentOfSums(keys.raw, sums);
  const load = withoutGradients(z.device, () => cast(choices.counts, 'f32'));
  const assigned = { sums, counts: overWhole(part, 'sums', 'counts', load) };
  return measure === 'cosine'
    ? alignmentOfAssignedMeans(keys.unit, assigned)
    : alignmentOfAssignedCentres(keys.raw, assigned);
}

/** What the moving averages of prototypes add up over the tokens of a step. */
function averagedSums(options: LatentPrototypeOptions, routed: Routed, assignment: Tensor | null): Tensor {
  const { scores, choices, mu, logvar, z } = routed;
  return withoutGradients(z.device, () => {
    const hard = (): Tensor =>
      scatterAlongRows(ones(z.device, choices.experts.shape), choices.experts, scores.shape[1]!);
    const shares = options.ema === 'hard' ? hard() : options.ema === 'soft' ? softmax(scores) : assignment!;
    return assignedSums(shares, averagedWidth(options) === options.latentDim ? z : moments({ mean: mu, logvar }));
  });
}

/**
 * Prototypes as moving averages: after a step, each moves towards the mean of the latents assigned to it. An assignment
 * `[tokens, M]` says how much of a token each expert gets: 0 or 1 of the chosen ones (hard), or the softmax over all
 * scores (soft). `assignedSums` of micro-batches add up.
 */
import {
  add,
  affine,
  assign,
  concatenate,
  divide,
  exp,
  greater,
  log,
  matmul,
  maximum,
  multiply,
  ones,
  reshape,
  slice,
  square,
  subtract,
  type Tensor,
} from '@lpr/tensor';
import type { Gaussians } from './measures.ts';

/** What an expert gets at least where anything was assigned to it: sums of less are not exact in f32. */
const SMALLEST_COUNT = 1e-30;
const SMALLEST_VARIANCE = 1e-6;

/**
 * `R^T [1 | values]`: `[M, 1 + D]`, how much was assigned to each expert and the sum of that. assignment R `[tokens,
 * M]`, values `[tokens, D]`.
 */
export function assignedSums(assignment: Tensor, values: Tensor): Tensor {
  const { device, shape } = values;
  return matmul(assignment, concatenate([ones(device, [shape[0]!, 1]), values], 1), { transposeA: true });
}

/** What Gaussian prototypes average: the mean and the second moment, `[tokens, 2 D]`. */
export function moments({ mean, logvar }: Gaussians): Tensor {
  return concatenate([mean, add(square(mean), exp(logvar))], 1);
}

function split(sums: Tensor): { counts: Tensor; totals: Tensor } {
  return { counts: slice(sums, 1, 0, 1), totals: slice(sums, 1, 1, sums.shape[1]!) };
}

/** The means of what was assigned to experts. */
export interface AssignedMeans {
  /** `[M, D]`; of no use where nothing was assigned. */
  readonly means: Tensor;
  /** `[M, 1]`: 1, or 0 where nothing was assigned. */
  readonly assigned: Tensor;
}

/** Divides totals `[M, D]` by counts `[M, 1]`. */
function meansOf(totals: Tensor, counts: Tensor): AssignedMeans {
  const assigned = greater(counts, SMALLEST_COUNT);
  // By 1 where there is no mean, since an infinite quotient would make NaN of what does not read it.
  return { means: divide(totals, choose(assigned, counts, 1)), assigned };
}

/** The one where `chosen` is 1, exactly, and the other where it is 0; both finite. */
function choose(chosen: Tensor, one: Tensor, other: Tensor | number): Tensor {
  return add(multiply(one, chosen), multiply(affine(chosen, -1, 1), other));
}

/**
 * `k <- decay k + (1 - decay) mean of what was assigned to it`; a prototype that nothing was assigned to stays. keys
 * `[M, D]`, sums of `assignedSums`.
 */
export function movePrototypes(keys: Tensor, sums: Tensor, decay: number): Tensor {
  const { counts, totals } = split(sums);
  const { means, assigned } = meansOf(totals, counts);
  return add(keys, multiply(affine(assigned, 1 - decay), subtract(means, keys)));
}

/**
 * The released code's way, which it never calls: sums and counts decay, `s <- decay s + (1 - decay) R^T z`, `c <- decay
 * c + (1 - decay) sum R`, and a prototype is `s / c`. Updates both states, `[M, D]` and `[M]`, in place; gives the
 * quotients, which are for `moveAssigned`.
 */
export function moveDecayedSums(
  state: { readonly sums: Tensor; readonly counts: Tensor },
  sums: Tensor,
  decay: number,
): AssignedMeans {
  const { counts, totals } = split(sums);
  const [experts = 0] = state.counts.shape;
  assign(state.sums, add(affine(state.sums, decay), affine(totals, 1 - decay)));
  assign(state.counts, add(affine(state.counts, decay), affine(reshape(counts, [experts]), 1 - decay)));
  return meansOf(state.sums, reshape(state.counts, [experts, 1]));
}

/** Sets rows to what is new where experts were assigned something; the others stay bit for bit. */
export function moveAssigned(rows: Tensor, moved: Tensor, assigned: Tensor): void {
  assign(rows, choose(assigned, moved, rows));
}

/** Mean and log-variance out of averaged moments `[M, 2 D]`. */
export function gaussiansOf(averaged: Tensor): Gaussians {
  const latentDim = averaged.shape[1]! / 2;
  const mean = slice(averaged, 1, 0, latentDim);
  const variance = subtract(slice(averaged, 1, latentDim, 2 * latentDim), square(mean));
  return { mean, logvar: log(maximum(variance, SMALLEST_VARIANCE)) };
}

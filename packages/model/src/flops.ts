/**
 * Arithmetic of a decoder before it exists: floating-point operations a token, by part. A multiplication and an
 * addition are two.
 */
import { expertParameters, routerParameters } from '@lpr/moe';
import { sizeOf } from '@lpr/tensor';
import type { ParameterSpec } from '@lpr/tensor/nn';
import { type DecoderConfig, planDecoder } from './families/index.ts';
import { attentionParameters } from './layers/attention.ts';
import { type AttentionPlan, expertsSeen } from './plan.ts';

export interface FlopsPerToken {
  /** Projections, scores and mixing of values. */
  readonly attention: number;
  readonly router: number;
  /** Those that a token sees, with what experts share. */
  readonly experts: number;
  /** MLPs that every token passes: dense layers and shared experts. */
  readonly mlp: number;
  readonly head: number;
  readonly forward: number;
  /** The forward pass without the head: what routing a token takes. */
  readonly withoutHead: number;
  /** Three times the forward pass: the backward pass multiplies each matrix twice. */
  readonly training: number;
}

/**
 * Matrix arithmetic of one token, the mean over the positions of a sequence, where a token attends to itself and all
 * before it. Each matrix is multiplied with each token once, also what of a router only training reads; norms,
 * activations, softmax, regularisers and the search of an assignment are left out.
 *
 * @param expertsPerToken experts that a token goes to, of each layer with experts; k unless given
 */
export function predictFlops(
  config: DecoderConfig,
  { sequence, expertsPerToken }: { readonly sequence: number; readonly expertsPerToken?: readonly number[] },
): FlopsPerToken {
  const plan = planDecoder(config);
  const { vocabulary, hidden, layers } = plan;
  const seen = expertsSeen(plan, expertsPerToken);
  const attended = (sequence + 1) / 2;
  const flops = { attention: 0, router: 0, experts: 0, mlp: 0, head: 2 * vocabulary * hidden };
  for (const [i, { attention, feedForward }] of layers.entries()) {
    flops.attention += matrixFlops(attentionParameters(attention, hidden)) + attended * flopsPerPosition(attention);
    if (feedForward.kind === 'dense') {
      flops.mlp += mlpFlops(feedForward.width, hidden);
      continue;
    }
    const { router, experts, topK, width, expertLatentDim: latentDim, sharedWidth } = feedForward;
    flops.router += matrixFlops(routerParameters(router, { hidden, experts, topK }));
    // Matrices with a row an expert are multiplied as often as a token has experts, those that all share once.
    const ofExperts = expertParameters({ hidden, experts, width, latentDim });
    const own = ofExperts.filter(({ shape }) => shape.length === 3);
    const ofOneEach = matrixFlops(own);
    flops.experts += (ofOneEach * seen[i]!) / experts + (matrixFlops(ofExperts) - ofOneEach);
    flops.mlp += mlpFlops(sharedWidth, hidden);
  }
  const forward = Object.values(flops).reduce((sum, part) => sum + part, 0);
  return { ...flops, forward, withoutHead: forward - flops.head, training: 3 * forward };
}

function matrixFlops(specs: readonly ParameterSpec[]): number {
  const matrices = specs.filter(({ shape, trained }) => trained && shape.length > 1);
  return matrices.reduce((sum, { shape }) => sum + 2 * sizeOf(shape), 0);
}

/** Gate, up and down. */
function mlpFlops(width: number, hidden: number): number {
  return 2 * 3 * width * hidden;
}

/** Of a query's score with one key and of adding one value. */
function flopsPerPosition(plan: AttentionPlan): number {
  const widths = plan.kind === 'latent' ? plan.nopeDim + plan.ropeDim + plan.valueDim : 2 * plan.headDim;
  return 2 * plan.heads * widths;
}

/**
 * Latent experts (MoLAE, Liu et al. 2025, arXiv 2503.23100): each matrix of an expert is a product of one that all
 * experts of the layer share and a small one of its own, `W_gate = B_gate A_gate`, `W_up = B_up A_up`,
 * `W_down = A_down B_down`, with A_gate and A_up `[D, H]` into a latent space, B_gate and B_up `[I, D]`, B_down
 * `[D, I]`, and A_down `[H, D]` out of one. So
 *
 *     y[t] = A_down sum_j weights[t, j] * B_down (silu(B_gate (A_gate x[t])) * B_up (A_up x[t]))
 *
 * with the B of the experts that token t chose. The shared products run once a token, not once an expert. The source
 * lets groups of experts share; here a group is all experts of a layer.
 */
import { concatenate, groupedLinear, linear, swiGlu, type Tensor } from '@lpr/tensor';
import { type ParameterSpec, tensorNamed, weightSpec } from '@lpr/tensor/nn';
import type { ExpertSteps } from './experts.ts';

/** The shared matrices, by the matrix that they are a part of. */
export const LATENT_MATRICES = {
  gate: 'latent_gate_proj.weight',
  up: 'latent_up_proj.weight',
  down: 'latent_down_proj.weight',
} as const;

export interface LatentExpertsShape {
  readonly hidden: number;
  readonly experts: number;
  /** Inner width of an expert, I. */
  readonly width: number;
  /** Width of the shared space, D. */
  readonly latentDim: number;
}

/**
 * `latent_gate_proj.weight` and `latent_up_proj.weight` `[D, H]`, `gate_proj` and `up_proj` `[M, I, D]`, `down_proj`
 * `[M, D, I]`, `latent_down_proj.weight` `[H, D]`. The shared ones start as N(0, 1 / D), so that a product's entries
 * have the variance with which whole matrices start.
 */
export function latentExpertParameters({ hidden, experts, width, latentDim }: LatentExpertsShape): ParameterSpec[] {
  const shared = (name: string, shape: number[]): ParameterSpec => ({
    ...weightSpec(name, shape),
    initial: { kind: 'normal', std: latentDim ** -0.5 },
  });
  return [
    shared(LATENT_MATRICES.gate, [latentDim, hidden]),
    shared(LATENT_MATRICES.up, [latentDim, hidden]),
    weightSpec('gate_proj', [experts, width, latentDim]),
    weightSpec('up_proj', [experts, width, latentDim]),
    weightSpec('down_proj', [experts, latentDim, width]),
    shared(LATENT_MATRICES.down, [hidden, latentDim]),
  ];
}

/** Whether tensors of experts are those that `latentExpertParameters` names. */
export function areLatent(tensors: ReadonlyMap<string, Tensor>): boolean {
  return tensors.has(LATENT_MATRICES.gate);
}

/** Both halves of the inner product are sent, each in its latent space. */
export function latentExpertSteps(tensors: ReadonlyMap<string, Tensor>): ExpertSteps {
  const [intoGate, intoUp, outOfDown] = [
    tensorNamed(tensors, LATENT_MATRICES.gate),
    tensorNamed(tensors, LATENT_MATRICES.up),
    tensorNamed(tensors, LATENT_MATRICES.down),
  ];
  const [gate, up, down] = [
    tensorNamed(tensors, 'gate_proj'),
    tensorNamed(tensors, 'up_proj'),
    tensorNamed(tensors, 'down_proj'),
  ];
  return {
    hidden: outOfDown.shape[0]!,
    sent: (x) => [linear(x, intoGate), linear(x, intoUp)],
    run: ([toGate, toUp], groups) => {
      const halves = [groupedLinear(toGate!, gate, groups), groupedLinear(toUp!, up, groups)];
      return groupedLinear(swiGlu(concatenate(halves, 1)), down, groups);
    },
    output: (mixed) => linear(mixed, outOfDown),
  };
}

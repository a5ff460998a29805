/** One clipped AdamW step as the fixtures define it, by the engine's own arithmetic. */
import {
  adamWStep,
  add,
  type Device,
  globalNorm,
  minimum,
  multiply,
  reciprocal,
  scope,
  state,
  type Tensor,
} from '@lpr/tensor';
import type { OptimizerInfo } from './fixtures.ts';

export class AdamW {
  readonly #device: Device;
  readonly #parameters: readonly Tensor[];
  readonly #moments: readonly { readonly first: Tensor; readonly second: Tensor }[];
  readonly #info: OptimizerInfo;
  #step = 0;

  constructor(device: Device, parameters: Iterable<Tensor>, info: OptimizerInfo) {
    this.#device = device;
    this.#parameters = [...parameters];
    this.#moments = this.#parameters.map(({ shape }) => ({
      first: state(device, shape),
      second: state(device, shape),
    }));
    this.#info = info;
  }

  /** Clips, updates all parameters in place, forgets the gradients and gives their norm. */
  async step(learningRate: number): Promise<number> {
    const { betas, eps, weight_decay: weightDecay, clip_grad_norm: limit, clip_epsilon: epsilon } = this.#info;
    this.#step++;
    return scope(this.#device, async () => {
      const norm = globalNorm(this.#parameters.map(({ grad }) => grad!));
      const slots = this.#parameters.map((parameter, i) => ({
        parameter,
        gradient: parameter.grad!,
        firstMoment: this.#moments[i]!.first,
        secondMoment: this.#moments[i]!.second,
        weightDecay,
      }));
      adamWStep(this.#device, slots, {
        learningRate,
        beta1: betas[0],
        beta2: betas[1],
        epsilon: eps,
        step: this.#step,
        gradientScale: minimum(multiply(reciprocal(add(norm, epsilon)), limit), 1),
      });
      for (const parameter of this.#parameters) {
        parameter.grad!.dispose();
        parameter.grad = null;
      }
      return norm.item();
    });
  }

  dispose(): void {
    for (const { first, second } of this.#moments) [first, second].forEach((moment) => moment.dispose());
  }
}

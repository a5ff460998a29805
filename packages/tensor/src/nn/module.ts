/** Modules: what has parameters, and training steps of several of them that cannot be taken by halves. */
import { backward } from '../autograd.ts';
import type { Device } from '../devices/device.ts';
import { scope } from '../scope.ts';
import { Tensor } from '../tensor.ts';
import { AdamW, type AdamWOptions } from './optimizer.ts';

/** A part of a network. */
export interface Module {
  /** Trained tensors, by their names within the module. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Untrained state that a checkpoint must hold, by name. */
  readonly buffers?: ReadonlyMap<string, Tensor>;
  /**
   * What the module changes outside of the gradient after an optimiser step, from what it saw since the one before: the
   * selection bias of a router, a running mean. `Training` calls it.
   */
  afterStep?(): void;
}

/** Modules and single parameters, by name. */
export type Modules = Readonly<Record<string, Module | Tensor>>;

/** The parameters of all modules, under their names below that of the module: `layer.gate.weight`. */
export function parametersOf(modules: Modules): Map<string, Tensor> {
  return new Map(
    Object.entries(modules).flatMap(([name, part]): [string, Tensor][] =>
      part instanceof Tensor
        ? [[name, part]]
        : Array.from(part.parameters, ([own, parameter]) => [`${name}.${own}`, parameter]),
    ),
  );
}

/**
 * Trains modules together with one AdamW. A step is everything that belongs to it: gradients, the optimiser, and what
 * each module does after it.
 */
export class Training {
  /** Over `parametersOf(modules)`. */
  readonly optimizer: AdamW;
  readonly #device: Device;
  readonly #modules: readonly Module[];

  constructor(device: Device, modules: Modules, options: Partial<AdamWOptions> = {}) {
    this.#device = device;
    this.#modules = Object.values(modules).filter((part): part is Module => !(part instanceof Tensor));
    this.optimizer = new AdamW(device, parametersOf(modules), options);
  }

  /**
   * Takes a step down the gradient of a loss, a scalar, and frees what was made for it. Wait for it before the next.
   *
   * @param loss computes it from the modules, in training; its tensors live until the step is over
   * @returns its value
   */
  step(learningRate: number, loss: () => Tensor): Promise<number> {
    return scope(this.#device, () => {
      const value = loss();
      backward(value);
      this.optimizer.step(learningRate);
      for (const module of this.#modules) module.afterStep?.();
      return value.item();
    });
  }

  /** Frees the optimiser's moments; the modules stay. */
  dispose(): void {
    this.optimizer.dispose();
  }
}

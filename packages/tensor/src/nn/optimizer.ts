/** AdamW over the parameters of a model, with the gradients clipped by their global norm; nothing leaves the device. */
import type { Device } from '../devices/device.ts';
import { add, minimum, multiply, reciprocal } from '../ops/elementwise.ts';
import { globalNorm } from '../ops/reduce.ts';
import { scope } from '../scope.ts';
import type { Tensor } from '../tensor.ts';
import { createMoments, MOMENT_TYPES, MOMENTS, type Moments, type MomentType, type Mover } from './moments.ts';

/** Some parameters. */
interface ParameterGroup {
  /**
   * Names of parameters, in which `*` stands for any characters: '*norm.weight', '*.bias', '*expert_keys',
   * 'model.embed_tokens.weight'.
   */
  readonly names: readonly string[];
}

/** Parameters, and how they decay. */
export interface WeightDecayGroup extends ParameterGroup {
  readonly weightDecay: number;
}

/** Parameters, and how fast they learn. */
export interface LearningRateGroup extends ParameterGroup {
  /** What their learning rate is that of all others times; at least 0. */
  readonly factor: number;
}

/** How AdamW steps. */
export interface AdamWOptions {
  /** From 0 to below 1. */
  readonly beta1: number;
  readonly beta2: number;
  /** Added outside the root; above 0. */
  readonly epsilon: number;
  /** Decoupled decay of every parameter that is in none of the groups: matrices, norms, embeddings, prototypes. */
  readonly weightDecay: number;
  /** Parameters that decay otherwise; the first group that names a parameter counts. */
  readonly weightDecayGroups: readonly WeightDecayGroup[];
  /** Parameters that learn faster or slower; the first group that names a parameter counts. */
  readonly learningRateGroups: readonly LearningRateGroup[];
  /** The global norm that gradients are scaled down to; above 0. */
  readonly clipNorm: number;
  /**
   * How moments are kept. bfloat16 takes 4 bytes a parameter less to hold and 8 less to move at each step; what the
   * rounding loses at one step it gives back at others (../packed-moments.ts).
   */
  readonly moments: MomentType;
}

/** GPUs may take f32 of less for 0. */
const LEAST_NORMAL = 2 ** -126;

/** As in the released code of LPR (arXiv 2506.21328, section "training"). */
export const ADAMW_DEFAULTS: AdamWOptions = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  weightDecayGroups: [],
  learningRateGroups: [],
  clipNorm: 1,
  moments: 'float32',
};

/** Throws a RangeError that names an option which AdamW cannot step with. */
function checkOptions({ weightDecayGroups, learningRateGroups, moments, ...numbers }: AdamWOptions): void {
  const check = (field: string, value: unknown, isFine: boolean, expected: string): void => {
    if (!isFine) throw new RangeError(`AdamW: ${field} must be ${expected}, got ${String(value)}`);
  };
  // As kernels get them: a beta just below 1 would be 1, and a small epsilon 0.
  const single = (value: unknown): number => (typeof value === 'number' ? Math.fround(value) : Number.NaN);
  const checkSize = (field: string, value: unknown): void =>
    check(field, value, single(value) >= 0 && single(value) < Infinity, 'a finite number of at least 0');
  for (const field of ['beta1', 'beta2'] as const) {
    const beta = single(numbers[field]);
    check(field, numbers[field], beta >= 0 && beta < 1, 'at least 0 and below 1 as f32');
  }
  for (const field of ['epsilon', 'clipNorm'] as const) {
    const value = single(numbers[field]);
    check(field, numbers[field], value >= LEAST_NORMAL && value < Infinity, 'finite and above 0 as f32');
  }
  checkSize('weightDecay', numbers.weightDecay);
  for (const [i, group] of weightDecayGroups.entries()) {
    checkSize(`weightDecayGroups[${i}].weightDecay`, group.weightDecay);
  }
  for (const [i, { factor }] of learningRateGroups.entries()) checkSize(`learningRateGroups[${i}].factor`, factor);
  check('moments', moments, MOMENT_TYPES.includes(moments), `one of ${MOMENT_TYPES.join(', ')}`);
}

/** How a parameter steps. */
export interface StepRule {
  readonly weightDecay: number;
  /** Of the learning rate. */
  readonly factor: number;
}

/**
 * How each parameter steps.
 *
 * @throws RangeError when a group names none of them
 */
export function stepRules(
  parameters: Iterable<string>,
  options: Pick<AdamWOptions, 'weightDecay' | 'weightDecayGroups'> & Partial<Pick<AdamWOptions, 'learningRateGroups'>>,
): Map<string, StepRule> {
  const all = [...parameters];
  const decayOf = firstOf(all, options.weightDecayGroups, 'weight decay');
  const rateOf = firstOf(all, options.learningRateGroups ?? [], 'learning rate');
  return new Map(
    all.map((name) => [
      name,
      { weightDecay: decayOf(name)?.weightDecay ?? options.weightDecay, factor: rateOf(name)?.factor ?? 1 },
    ]),
  );
}

/** The first group that names a parameter. */
function firstOf<Group extends ParameterGroup>(
  parameters: readonly string[],
  groups: readonly Group[],
  kind: string,
): (parameter: string) => Group | undefined {
  const matchers = groups.map((group) => {
    const patterns = group.names.map((name) => new RegExp(`^${name.split('*').map(escapeRegExp).join('.*')}$`));
    const includes = (parameter: string): boolean => patterns.some((pattern) => pattern.test(parameter));
    if (!parameters.some(includes)) {
      throw new RangeError(
        `AdamW: no parameter has one of the names ${group.names.join(', ')} of a ${kind} group; there are ${parameters.join(', ')}`,
      );
    }
    return { group, includes };
  });
  return (parameter) => matchers.find(({ includes }) => includes(parameter))?.group;
}

function escapeRegExp(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
}

/** Moments by the name of their parameter, as numbers of the host. */
export type OptimizerState = Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

/** A moment of a parameter. */
export interface Moment {
  readonly name: string;
  /** Name of the parameter. */
  readonly parameter: string;
  readonly shape: readonly number[];
  /** Its numbers, as they are now. */
  readonly read: () => Promise<Float32Array>;
}

/**
 * AdamW (Loshchilov and Hutter 2019) with clipping as `torch.nn.utils.clip_grad_norm_` does it. Parameters whose `grad`
 * is null are left alone, weight decay included. Bias correction counts the steps of the run, so a parameter that gets
 * its first gradient later is treated as one whose gradients were 0 before.
 */
export class AdamW {
  /** Steps taken. */
  steps = 0;
  readonly #device: Device;
  readonly #options: AdamWOptions;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #rules: ReadonlyMap<string, StepRule>;
  readonly #moments: Moments;

  /**
   * @param starts the number of each parameter's first element among those of all, where a parameter is but a part of
   *   one that several ranks hold together: what moments of bfloat16 are rounded by
   * @throws RangeError that names an option out of its range, or when a group names no parameter
   */
  constructor(
    device: Device,
    parameters: ReadonlyMap<string, Tensor>,
    options: Partial<AdamWOptions> = {},
    starts: ReadonlyMap<string, number> = oneAfterTheOther(parameters),
  ) {
    this.#device = device;
    this.#options = { ...ADAMW_DEFAULTS, ...options };
    checkOptions(this.#options);
    this.#parameters = parameters;
    this.#rules = stepRules(parameters.keys(), this.#options);
    this.#moments = createMoments(this.#options.moments, device, parameters, starts);
  }

  /**
   * Updates every parameter that has a gradient, and frees the gradients.
   *
   * @param known the norm, a scalar, where other ranks hold some of the gradients
   * @returns the global norm of the gradients before clipping, a scalar on the device
   * @throws Error when no parameter has a gradient
   */
  step(learningRate: number, known?: Tensor): Tensor {
    const { clipNorm, beta1, beta2, epsilon } = this.#options;
    const moving = Array.from(this.#parameters, ([name, parameter]) => ({
      ...{ name, parameter, ...this.#rules.get(name)! },
      gradient: parameter.grad,
    })).filter((mover): mover is Mover & StepRule => mover.gradient !== null);
    if (moving.length === 0) throw new Error('AdamW: no parameter has a gradient; call backward on a loss first');
    this.steps++;
    const norm = scope(
      this.#device,
      () => {
        const norm = known ?? globalNorm(moving.map(({ gradient }) => gradient));
        const gradientScale = minimum(multiply(reciprocal(add(norm, 1e-6)), clipNorm), 1);
        const settings = { beta1, beta2, epsilon, step: this.steps, gradientScale };
        for (const factor of new Set(moving.map((mover) => mover.factor))) {
          const movers = moving.filter((mover) => mover.factor === factor);
          this.#moments.step(movers, { ...settings, learningRate: factor * learningRate });
        }
        return norm;
      },
      { gradients: false },
    );
    for (const parameter of this.#parameters.values()) {
      parameter.grad?.dispose();
      parameter.grad = null;
    }
    return norm;
  }

  /** Both moments of each parameter, read from the device; with `steps`, all that a checkpoint must hold. */
  async exportState(): Promise<OptimizerState> {
    const entries = this.eachMoment().map(
      async ({ name, shape, read }) => [name, { shape, data: await read() }] as const,
    );
    return new Map(await Promise.all(entries));
  }

  /** The same one by one, in the same order: `read` gives a moment as it is then. */
  eachMoment(): Moment[] {
    return [...this.#parameters].flatMap(([parameter, { shape }]) =>
      MOMENTS.map((moment) => ({
        name: `${parameter}.${moment}`,
        parameter,
        shape,
        read: () => this.#moments.read(parameter, moment),
      })),
    );
  }

  /**
   * Takes back the moments that `exportState` gave, after `steps` steps; `read` is asked for one after the other.
   *
   * @throws Error when a moment is missing or unknown: nothing is changed then; or when one has another size or type
   */
  async importState(
    names: Iterable<string>,
    read: (name: string) => ArrayLike<unknown> | Promise<ArrayLike<unknown>>,
    steps: number,
  ): Promise<void> {
    const expected = new Set(this.eachMoment().map(({ name }) => name));
    const given = new Set(names);
    const unknown = [...given].filter((name) => !expected.has(name));
    const missing = [...expected].filter((name) => !given.has(name));
    if (unknown.length > 0 || missing.length > 0) {
      throw new Error(
        `AdamW: the optimiser's state does not fit the model (missing: ${missing.join(', ') || 'none'}; unknown: ${unknown.join(', ') || 'none'})`,
      );
    }
    const numbers = async (name: string): Promise<Float32Array> => {
      const data = await read(name);
      if (!(data instanceof Float32Array)) throw new TypeError(`AdamW: ${name} must be of float32`);
      return data;
    };
    for (const parameter of this.#parameters.keys()) {
      const [first, second] = [await numbers(`${parameter}.firstMoment`), await numbers(`${parameter}.secondMoment`)];
      this.#moments.write(parameter, first, second);
    }
    this.steps = steps;
  }

  /** Forgets all steps. */
  reset(): void {
    for (const [name, { size }] of this.#parameters) {
      this.#moments.write(name, new Float32Array(size), new Float32Array(size));
    }
    this.steps = 0;
  }

  /** Frees the moments; the parameters stay. */
  dispose(): void {
    this.#moments.dispose();
  }
}

/** The numbers of the first elements of parameters that lie one after the other. */
function oneAfterTheOther(parameters: ReadonlyMap<string, Tensor>): Map<string, number> {
  let end = 0;
  return new Map(
    Array.from(parameters, ([name, { size }]) => {
      const start = end;
      end += size;
      return [name, start];
    }),
  );
}

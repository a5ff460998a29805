/**
 * What an independent PyTorch implementation expects: pairs of `NAME.safetensors` and `NAME.json` in `cases`, made by
 * the program in `python`, and in the folder that the environment variable LPR_FIXTURES names, if it is set.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { decodeSafetensors, type SafetensorsTensor } from '@lpr/model';
import { type Device, type Tensor, tensor } from '@lpr/tensor';

const further = process.env['LPR_FIXTURES'];
const folders = [join(import.meta.dirname, 'cases'), ...(further ? [resolve(further)] : [])];

export interface Tolerance {
  readonly atol: number;
  readonly rtol: number;
}

export interface AfterTolerance extends Tolerance {
  readonly grad_floor: number;
  readonly atol_below_floor: number;
}

export interface OptimizerInfo {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weight_decay: number;
  readonly clip_grad_norm: number;
  readonly clip_epsilon: number;
}

/** A learning rate that warms up, stays and decays. */
export interface ScheduleInfo {
  readonly warmup_steps: number;
  readonly stable_steps: number;
  readonly decay_steps: number;
  readonly min_lr_ratio: number;
  /** 'cosine' where it is left out. */
  readonly decay?: 'cosine' | 'linear' | 'squareRoot';
}

/** What `NAME.json` holds; the fields beside these depend on the kind. */
export interface CaseInfo {
  readonly case: string;
  readonly kind: CaseKind;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tolerances: Readonly<Record<string, Tolerance>>;
  readonly optimizer: OptimizerInfo;
  readonly schedule: ScheduleInfo;
  readonly [field: string]: unknown;
}

/** The kinds of cases, and which test reads them. */
export const caseKinds = {
  model: 'model.test.ts, folder.test.ts',
  trajectory: 'trajectory.test.ts',
  router: 'latent-prototypes.test.ts',
  measures: 'latent-prototypes.test.ts',
  ema: 'latent-prototypes.test.ts',
  routing: 'routers.test.ts',
  assignment: 'routers.test.ts',
  losses: 'losses.test.ts',
  optimizer: 'optimisation.test.ts',
  schedule: 'optimisation.test.ts',
  metrics: 'balance.test.ts',
  load_tracker: 'balance.test.ts',
  placement: 'balance.test.ts',
  health: 'specialisation.test.ts',
  specialisation: 'specialisation.test.ts',
  levels: 'levels.test.ts',
} as const;

export type CaseKind = keyof typeof caseKinds;

export class Fixture {
  readonly info: CaseInfo;
  readonly #folder: string;
  #tensors: ReadonlyMap<string, SafetensorsTensor> | null = null;

  constructor(folder: string, info: CaseInfo) {
    this.info = info;
    this.#folder = folder;
  }

  /** Read when first asked for. */
  get tensors(): ReadonlyMap<string, SafetensorsTensor> {
    const path = join(this.#folder, `${this.info.case}.safetensors`);
    return (this.#tensors ??= decodeSafetensors(readFileSync(path)));
  }

  get(name: string): SafetensorsTensor {
    const found = this.tensors.get(name);
    if (found === undefined) throw new Error(`${this.info.case} has no tensor ${name}`);
    return found;
  }

  values(name: string): Float32Array {
    return this.get(name).data as Float32Array;
  }

  integers(name: string): Int32Array {
    return Int32Array.from(this.get(name).data as BigInt64Array, Number);
  }

  /** On a device; whole numbers as i32. */
  tensor(device: Device, name: string): Tensor {
    const { dtype, shape } = this.get(name);
    return tensor(device, dtype === 'I64' ? this.integers(name) : this.values(name), shape);
  }

  /** Names below a prefix. */
  names(prefix: string): string[] {
    return [...this.tensors.keys()].filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  }

  /** Parameters and buffers, under their own names. */
  weights(): Map<string, SafetensorsTensor> {
    return new Map([...this.tensors].filter(([name]) => !/^(in|out|grad|after)\./.test(name)));
  }

  /** The entry whose key is the longest prefix of the name. */
  tolerance(name: string): Tolerance {
    const { tolerances } = this.info;
    const fitting = Object.keys(tolerances).filter((key) => name.startsWith(key));
    const key = fitting.sort((a, b) => b.length - a.length)[0] ?? (name === 'out.grad_norm' ? 'out.loss' : '');
    const found = tolerances[key];
    if (found === undefined) throw new Error(`${this.info.case} has no tolerance for ${name}`);
    return found;
  }
}

const known: readonly Fixture[] = folders.flatMap((folder) =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => new Fixture(folder, JSON.parse(readFileSync(join(folder, file), 'utf8')) as CaseInfo)),
);

/** All cases, of whatever kind. */
export function allCases(): readonly Fixture[] {
  return known;
}

/**
 * The cases of a kind by name, as `it.for` takes them. Throws when there is none: a test without cases proves nothing.
 */
export function casesOf(kind: CaseKind): [name: string, fixture: Fixture][] {
  const found = known.filter(({ info }) => info.kind === kind);
  if (found.length === 0) throw new Error(`no cases of kind ${kind} in ${folders.join(', ')}`);
  return found.map((fixture) => [fixture.info.case, fixture]);
}

/** Collects what does not agree with a fixture, and which of its values nothing was compared with. */
export class Comparison {
  readonly problems: string[] = [];
  readonly #fixture: Fixture;
  readonly #compared = new Set<string>();

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  /**
   * `max |got - expected| <= atol + rtol max |expected|`. With `parts`, the largest of these counts too: numbers that
   * the expected ones are sums of, which may cancel.
   */
  close(name: string, got: ArrayLike<number>, parts: ArrayLike<number> = []): void {
    const expected = this.#expected(name, got.length);
    const { atol, rtol } = this.#fixture.tolerance(name);
    let error = 0;
    let largest = Array.from(parts).reduce((most, part) => Math.max(most, Math.abs(part)), 0);
    for (let i = 0; i < expected.length; i++) {
      // Math.max keeps NaN, which is within no bound.
      error = Math.max(error, Math.abs(got[i]! - expected[i]!));
      largest = Math.max(largest, Math.abs(expected[i]!));
    }
    const limit = atol + rtol * largest;
    if (!(error <= limit)) this.problems.push(`${name}: off by ${error}, allowed are ${limit}`);
  }

  equal(name: string, got: ArrayLike<number>): void {
    const expected = this.#expected(name, got.length);
    if (Array.from(expected).some((value, i) => value !== got[i])) {
      this.problems.push(`${name}: ${Array.from(got).join()} instead of ${Array.from(expected).join()}`);
    }
  }

  /**
   * A parameter after one step: elements whose clipped gradient is tiny but not zero have a first step of random sign,
   * so they get the loose bound. `key` names the bounds in the case's tolerances.
   */
  after(name: string, got: ArrayLike<number>, key: 'after' | 'after_from_fixture_grads'): void {
    const expected = this.#expected(`after.${name}`, got.length);
    const gradient = this.#fixture.values(`grad.${name}`);
    const { tolerances, optimizer } = this.#fixture.info;
    const { atol, rtol, grad_floor: floor, atol_below_floor: loose } = tolerances[key] as AfterTolerance;
    const norm = this.#fixture.values('out.grad_norm')[0]!;
    const clip = Math.min(1, optimizer.clip_grad_norm / (norm + optimizer.clip_epsilon));
    for (let i = 0; i < expected.length; i++) {
      const tiny = gradient[i] !== 0 && Math.abs(gradient[i]! * clip) < floor;
      const limit = tiny ? loose : atol + rtol * Math.abs(expected[i]!);
      const error = Math.abs(got[i]! - expected[i]!);
      if (!(error <= limit)) this.problems.push(`${key} of ${name}[${i}]: off by ${error}, allowed are ${limit}`);
    }
  }

  /**
   * Numbers that the case's JSON holds by name, against ours; null: undefined, so NaN. `at` says whose they are. Throws
   * for a name that ours lack.
   */
  measures(
    at: string,
    got: Readonly<Record<string, number>>,
    expected: Readonly<Record<string, number | null>>,
    { atol, rtol }: Tolerance = this.#fixture.tolerance('expected'),
  ): void {
    for (const [name, value] of Object.entries(expected)) {
      const own = got[name];
      if (own === undefined) throw new Error(`${this.#fixture.info.case}: nothing of ours is called ${name}`);
      const agrees = value === null ? Number.isNaN(own) : Math.abs(own - value) <= atol + rtol * Math.abs(value);
      if (!agrees) this.problems.push(`${at}: ${name} is ${own}, expected ${value}`);
    }
  }

  /** Expected values that nothing was compared with, but for names that end as `informative` does. */
  reportUncompared(informative: string | null = null): void {
    for (const name of this.#fixture.tensors.keys()) {
      const expected = /^(out|grad|after)\./.test(name) && !this.#compared.has(name);
      if (expected && (informative === null || !name.endsWith(`.${informative}`))) {
        this.problems.push(`${name}: nothing was compared with it`);
      }
    }
  }

  #expected(name: string, length: number): ArrayLike<number> {
    this.#compared.add(name);
    const { dtype } = this.#fixture.get(name);
    const expected = dtype === 'I64' ? this.#fixture.integers(name) : this.#fixture.values(name);
    if (expected.length !== length) this.problems.push(`${name}: ${length} elements instead of ${expected.length}`);
    return expected;
  }
}

/**
 * Expected values of an independent PyTorch implementation: pairs of `NAME.safetensors` and `NAME.json` in the folder
 * of the environment variable LPR_FIXTURES. They are not part of this repository; without them the parity tests are
 * skipped, and say so.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { decodeSafetensors, type SafetensorsTensor } from '@lpr/model';

const folder = process.env['LPR_FIXTURES'] ?? resolve(import.meta.dirname, '../../../shared/fixtures/torch');

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

export interface CaseInfo {
  readonly case: string;
  /** 'model', 'router', 'trajectory', ... */
  readonly kind: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly tolerances: Readonly<Record<string, Tolerance>>;
  readonly optimizer: OptimizerInfo;
  readonly parameters_without_gradient: readonly string[];
  readonly [field: string]: unknown;
}

/**
 * The cases of the given kinds, after saying which of them are skipped and why; none where the folder does not exist.
 */
export function casesOf(wanted: (kind: string) => boolean): CaseInfo[] {
  if (!existsSync(folder)) {
    console.warn(missing);
    return [];
  }
  const cases = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => JSON.parse(readFileSync(join(folder, file), 'utf8')) as CaseInfo)
    .filter(({ kind }) => wanted(kind));
  const skipped = cases.flatMap((info) => {
    const reason = reasonToSkip(info);
    return reason === null ? [] : [`  ${info.case}: ${reason}`];
  });
  if (skipped.length > 0) console.warn(`skipped PyTorch cases:\n${skipped.join('\n')}`);
  return cases;
}

export const missing: string = `no PyTorch fixtures in ${folder}: set LPR_FIXTURES to compare with them`;

export class Fixture {
  readonly info: CaseInfo;
  readonly tensors: ReadonlyMap<string, SafetensorsTensor>;

  constructor(info: CaseInfo) {
    this.info = info;
    this.tensors = decodeSafetensors(readFileSync(join(folder, `${info.case}.safetensors`)));
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
    const keys = Object.keys(tolerances).filter((key) => name.startsWith(key));
    const key = name === 'out.grad_norm' ? 'out.loss' : keys.sort((a, b) => b.length - a.length)[0];
    if (key === undefined) throw new Error(`${this.info.case} has no tolerance for ${name}`);
    return tolerances[key]!;
  }
}

/** Collects what does not agree with a fixture, and which of its values nothing was compared with. */
export class Comparison {
  readonly problems: string[] = [];
  readonly #fixture: Fixture;
  readonly #compared = new Set<string>();

  constructor(fixture: Fixture) {
    this.#fixture = fixture;
  }

  /** `max |got - expected| <= atol + rtol max |expected|`. */
  close(name: string, got: ArrayLike<number>): void {
    const expected = this.#expected(name, got.length);
    const { atol, rtol } = this.#fixture.tolerance(name);
    let error = 0;
    let largest = 0;
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

  /** Expected values that nothing was compared with, but for names that end as `informative` does. */
  reportUncompared(informative: string | null): void {
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

/** In the paper's formulation only one of two penalties is part of the loss; this one is stored for information. */
export function informativePenalty({ config }: CaseInfo): string | null {
  if (config['lpr_formulation'] !== 'paper') return null;
  return config['paper_div_target'] === 'prototypes' ? 'div_tokens' : 'div_keys';
}

/** Why nothing can be compared with a case, or null. */
export function reasonToSkip({ kind }: CaseInfo): string | null {
  if (['metrics', 'load_tracker'].includes(kind)) return 'held to its fixture in packages/metrics';
  if (['schedule', 'optimizer'].includes(kind)) return 'belongs to packages/train';
  if (['measures', 'ema'].includes(kind)) return null;
  if (!['model', 'router', 'trajectory'].includes(kind)) return `kind ${kind} is not built yet`;
  return null;
}

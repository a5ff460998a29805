/**
 * Index arithmetic of generated kernels. gpu.js keeps variables and quotients as f32, which loses bits above 2^24;
 * these helpers spell expressions that it keeps as 32-bit integers, and map axes to the three axes of a launch.
 */

/** Threads along x and y, and along z, of one launch in two or three axes: 65,535 workgroups of 8 x 8 x 1. */
const MOST_THREADS = [65_535 * 8, 65_535 * 8, 65_535] as const;

/** Whole numbers below this may be kept in a variable of a kernel, which is f32. */
export const LARGEST_VARIABLE: number = 2 ** 24;

/** An expression as an integer, for indices made from variables. */
export function int(expression: string): string {
  return `(${expression} | 0)`;
}

/** `floor(n / d)` for an integer expression n of at least 0. */
export function quotient(n: string, d: number): string {
  if (d === 1) return n;
  return Number.isInteger(Math.log2(d)) ? `(${n} >> ${Math.log2(d)})` : `quotient(${n}, ${d})`;
}

/** `floor(index / divisor)` of an index from a buffer. */
export function dividedIndex(index: string, divisor: number): string {
  return quotient(int(index), divisor);
}

/** Whether an expression is NaN. */
export function isNaNText(expression: string): string {
  return `notNumber(${expression}) > 0.5`;
}

export interface Axes {
  /** Extents of the launch, x first. */
  readonly extents: readonly number[];
  /** For each axis, innermost first: the integer expression of a thread's place along it. */
  readonly at: readonly string[];
}

/** Lays axes (sizes innermost first) out over a launch, so that results are row-major. */
export function axes(...sizes: readonly number[]): Axes {
  const long = sizes.filter((size) => size !== 1);
  const { extents, at } = layOut(long);
  let next = 0;
  return { extents, at: sizes.map((size) => (size === 1 ? '0' : at[next++]!)) };
}

function layOut(sizes: readonly number[]): Axes {
  const fits = sizes.every((size, axis) => size <= (MOST_THREADS[axis] ?? 0));
  if (sizes.length <= 1 || fits) {
    const names = ['this.thread.x', 'this.thread.y', 'this.thread.z'];
    return { extents: sizes.length === 0 ? [1] : sizes, at: names.slice(0, sizes.length) };
  }
  const [x = 1, y = 1, ...outer] = sizes;
  const depth = product(outer);
  if (x <= MOST_THREADS[0] && y <= MOST_THREADS[1] && depth <= MOST_THREADS[2]) {
    return { extents: [x, y, depth], at: ['this.thread.x', 'this.thread.y', ...split('this.thread.z', outer)] };
  }
  return { extents: [product(sizes)], at: split('this.thread.x', sizes) };
}

/** As many workgroups as `count`, or some more, along x and y: WebGPU promises no more than 65,535 along an axis. */
export function spread(count: number): readonly [number, number, number] {
  const rows = Math.ceil(count / 65_535);
  return [Math.ceil(count / rows), rows, 1];
}

/** The places along `sizes` (innermost first) of the flat index `n`. */
export function split(n: string, sizes: readonly number[]): string[] {
  const at: string[] = [];
  let rest = n;
  for (const [axis, size] of sizes.entries()) {
    if (axis === sizes.length - 1) {
      at.push(rest);
      break;
    }
    const above = quotient(rest, size);
    at.push(size === 1 ? '0' : `(${rest} - ${above} * ${size})`);
    rest = above;
  }
  return at;
}

export function product(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a * b, 1);
}

export function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

/** The items in groups of at most `size`. */
export function chunksOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}

/** `offset + at[0] * strides[0] + ...`, without the terms that are zero. */
export function indexOf(at: readonly string[], strides: readonly number[], offset = 0): string {
  const terms = at.flatMap((place, axis) => {
    const stride = strides[axis]!;
    if (stride === 0 || place === '0') return [];
    return [stride === 1 ? place : `${place} * ${stride}`];
  });
  if (offset !== 0) terms.push(`${offset}`);
  return terms.length === 0 ? '0' : terms.join(' + ');
}

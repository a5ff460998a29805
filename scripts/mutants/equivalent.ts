/** Faults that change nothing that could be noticed, with the reason. Whoever finds a test that does takes one out. */

export interface Equivalent {
  readonly file: string;
  /** Part of the source line on which the fault begins. */
  readonly line: string;
  /** As the report prints it: what was, and what it becomes. */
  readonly change: string | readonly string[];
  readonly reason: string;
}

const PAST_THE_END =
  'typed arrays take no notice of what is written past their end, and what is read there goes nowhere';

const inFile = (file: string, ...entries: readonly Omit<Equivalent, 'file'>[]): Equivalent[] =>
  entries.map((entry) => ({ file: `packages/${file}`, ...entry }));

export const EQUIVALENT: readonly Equivalent[] = [
  ...inFile(
    'metrics/src/matrix.ts',
    {
      line: 'i < n * matrix.columns',
      change: 'i < n * matrix.columns -> i <= n * matrix.columns',
      reason: PAST_THE_END,
    },
    { line: 'axes[i * n + i] = 1', change: 'i < n -> i <= n', reason: PAST_THE_END },
    {
      line: 'sweep < SWEEPS',
      change: ['sweep < SWEEPS -> sweep <= SWEEPS', 'sweep++ -> sweep--'],
      reason: 'the sweeps end by themselves long before their number does',
    },
    { line: 'rest = Math.max', change: 'p < n -> p <= n', reason: 'there is no pair after the last' },
    { line: 'rotate(a, axes, n, p, q)', change: 'p < n -> p <= n', reason: 'there is no pair after the last' },
    {
      line: 'rest <= 1e-15 * scale',
      change: 'rest <= 1e-15 * scale -> rest < 1e-15 * scale',
      reason: 'only of a matrix of zeros, in which there is nothing to rotate',
    },
    {
      line: 'const largest = vector.reduce',
      change: 'Math.abs(value) > Math.abs(most) -> Math.abs(value) >= Math.abs(most)',
      reason: 'of entries that are equally large either may decide the sign',
    },
    { line: 'largest < 0', change: 'largest < 0 -> largest <= 0', reason: 'a unit vector has an entry that is not 0' },
    { line: 'i < width', change: 'i < width -> i <= width', reason: PAST_THE_END },
    {
      line: 'for (let j = 0; j < width; j++) covariance',
      change: 'j < width -> j <= width',
      reason: 'the entry below the diagonal that it adds to is overwritten by that above',
    },
    { line: 'j < i; j++', change: 'j < i -> j <= i', reason: 'an entry of the diagonal is its own mirror image' },
    { line: 'slope >= 0', change: 'slope >= 0 -> slope > 0', reason: 'at slope 0 a turn either way does' },
    { line: 'turn(a, i * n + p', change: 'i < n -> i <= n', reason: PAST_THE_END },
    { line: 'turn(axes, i * n + p', change: 'i < n -> i <= n', reason: PAST_THE_END },
  ),
];

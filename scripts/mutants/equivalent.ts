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

const NOTHING_THERE = 'what is read past the end is undefined, which is neither 0 nor above it';

const BOTH_HOLD = 'both series are exact to rounding there';

const TIMES_ONE = 'times one';

const inFile = (file: string, ...entries: readonly Omit<Equivalent, 'file'>[]): Equivalent[] =>
  entries.map((entry) => ({ file: `packages/${file}`, ...entry }));

export const EQUIVALENT: readonly Equivalent[] = [
  ...inFile(
    'metrics/src/balance.ts',
    {
      line: 'expert < counts.length',
      change: 'expert < counts.length -> expert <= counts.length',
      reason: NOTHING_THERE,
    },
    { line: 'expert < all.length', change: 'expert < all.length -> expert <= all.length', reason: PAST_THE_END },
  ),
  ...inFile(
    'metrics/src/health.ts',
    { line: 'expert < experts', change: 'expert < experts -> expert <= experts', reason: PAST_THE_END },
    {
      line: 'row < rows',
      change: 'row < rows -> row <= rows',
      reason: 'a row of no entries has the norm 0 and no entries',
    },
    { line: 'if (length > 0)', change: 'd < width -> d <= width', reason: PAST_THE_END },
    { line: 'rows <= width', change: 'rows <= width -> rows < width', reason: 'the bound is 0 there' },
    {
      line: 'rows <= columns',
      change: 'rows <= columns -> rows < columns',
      reason: 'a square matrix has two Gram matrices with the same eigenvalues',
    },
  ),
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
    {
      line: 'rest = Math.max',
      change: [
        ...['p < n -> p <= n', 'q < n -> q <= n', 'p + 1 -> p - 1'],
        ...['p * n + q -> p * n - q', 'p * n -> p / n'],
      ],
      reason: 'what is left off the diagonal says when to stop; sweeps after that leave all as it is',
    },
    { line: 'rotate(a, axes, n, p, q)', change: 'p < n -> p <= n', reason: 'there is no pair after the last' },
    {
      line: 'rest <= 1e-15 * scale',
      change: ['rest <= 1e-15 * scale -> rest < 1e-15 * scale', 'rest <= 1e-15 * scale -> false'],
      reason: 'sweeps after that leave all as it is',
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
  ...inFile('metrics/src/placement.ts', {
    line: 'expert < counts.length',
    change: 'expert < counts.length -> expert <= counts.length',
    reason: PAST_THE_END,
  }),
  ...inFile('moe/src/balanced-prices.ts', {
    line: 'const values = subtract',
    change: '[experts] -> []',
    reason: 'prices that start alike may be one number',
  }),
  ...inFile(
    'moe/src/routers/deepseek-v3.ts',
    {
      line: 'options.weightScale === 1',
      change: 'options.weightScale === 1 -> false',
      reason: TIMES_ONE,
    },
    {
      line: 'options.biasRate > 0',
      change: ['options.biasRate > 0 -> true', 'options.biasRate > 0 -> options.biasRate >= 0'],
      reason: 'a bias that moves by 0 stays where it is',
    },
  ),
  ...inFile(
    'moe/src/routers/dselect-k.ts',
    {
      line: 'let codes = ones',
      change: '[tokens, k, 1] -> []',
      reason: 'ones are the same for all tokens until they are multiplied',
    },
    {
      line: 'beyond === 0',
      change: 'beyond === 0 -> false',
      reason: 'nothing is then wrapped around, and zeros are added',
    },
  ),
  ...inFile(
    'moe/src/routers/latent-prototype/diversity.ts',
    {
      line: 'if (unit)',
      change: 'unit -> false',
      reason: 'the sum of squares of unit rows is their number',
    },
    {
      line: 'first < own',
      change: 'first < own -> first <= own',
      reason: 'there are no rows from the end on',
    },
  ),
  ...inFile(
    'moe/src/routers/latent-prototype/objective.ts',
    {
      line: "alignment === 'official' || ema",
      change: "alignment === 'official' || ema === 'official' -> true",
      reason: 'an assignment that nobody reads',
    },
    {
      line: 'const surveyed =',
      change: 'part.statistics === undefined -> true',
      reason: 'what is known of the whole already is added up once more, and nobody reads it',
    },
  ),
  ...inFile(
    'moe/src/routers/latent-prototype/router.ts',
    {
      line: '!biased && options.keptGroups',
      change: [
        '!biased && options.keptGroups === options.groups -> false',
        '{ const { values, indices } = topK(score ... tion: null }; } -> {}',
      ],
      reason: 'all groups kept and no bias: the scores themselves are selected by',
    },
    {
      line: 'options.weightScale === 1',
      change: 'options.weightScale === 1 -> false',
      reason: TIMES_ONE,
    },
  ),
  ...inFile('moe/src/routers/latent-prototype/similarity.ts', {
    line: 'temperature === 1',
    change: 'temperature === 1 -> false',
    reason: TIMES_ONE,
  }),
  ...inFile('moe/src/losses/load-balancing.ts', {
    line: 'const tokens = (of',
    change: 'a + b -> a - b',
    reason: 'both sums change their sign, their product does not',
  }),
  ...inFile('moe/src/routers/adamoe.ts', {
    line: 'keepAxis: true',
    change: ['{ keepAxis: true } -> {}', 'true -> false'],
    reason: 'one number is stretched',
  }),
  ...inFile('moe/src/routers/sinkhorn.ts', {
    line: 'let ofExperts = zeros',
    change: '[experts] -> []',
    reason: 'factors that start alike may be one number',
  }),
  ...inFile('moe/src/routers/xmoe.ts', {
    line: "initial: { kind: 'unitRows' }",
    change: "{ kind: 'unitRows' } -> {}",
    reason: 'what has no kind starts so; types refuse it',
  }),
  ...inFile('moe/src/selection.ts', {
    line: 'epsilon === 0',
    change: 'epsilon === 0 -> false',
    reason: 'nothing is added',
  }),
  ...inFile('moe/src/statistics.ts', {
    line: 'others.length === 0',
    change: 'others.length === 0 -> false',
    reason: 'one part merged is a copy of it',
  }),
  ...inFile('metrics/src/loads.ts', {
    line: 'expert < this.experts',
    change: 'expert < this.experts -> expert <= this.experts',
    reason: PAST_THE_END,
  }),
  ...inFile('metrics/src/references.ts', {
    line: 'layers === 1 ? 0 : MODELS',
    change: 'layers === 1 -> false',
    reason: 'models that nobody reads',
  }),
  ...inFile('metrics/src/sampling-floor.ts', {
    line: 'expert < experts',
    change: 'expert < experts -> expert <= experts',
    reason: PAST_THE_END,
  }),
  ...inFile(
    'metrics/src/specialisation.ts',
    { line: 'y < row.length', change: 'y < row.length -> y <= row.length', reason: PAST_THE_END },
    { line: 'i < counts.length', change: 'i < counts.length -> i <= counts.length', reason: NOTHING_THERE },
  ),
  ...inFile(
    'metrics/src/special-functions.ts',
    { line: 'at < STIRLING_FROM', change: 'at < STIRLING_FROM -> at <= STIRLING_FROM', reason: BOTH_HOLD },
    {
      line: 'x <= 0',
      change: ['x <= 0 -> x < 0', 'x <= 0 -> false'],
      reason: 'the formula below gives the same there',
    },
    {
      line: 'x >= 1',
      change: ['x >= 1 -> x > 1', 'x >= 1 -> false'],
      reason: 'the formula below gives the same there',
    },
    { line: 'x < a + 1', change: ['x < a + 1 -> x <= a + 1', 'a + 1 -> a - 1'], reason: BOTH_HOLD },
    {
      line: 'term > 1e-17 * total',
      change: ['term > 1e-17 * total -> term >= 1e-17 * total', '1e-17 * total -> 1e-17 / total'],
      reason: 'terms this small change no digit of the sum',
    },
    {
      line: 'Math.abs(factor - 1) > 1e-15',
      change: 'Math.abs(factor - 1) > 1e-15 -> Math.abs(factor - 1) >= 1e-15',
      reason: 'a factor this near to 1 changes no digit',
    },
  ),
  ...inFile(
    'metrics/src/traces.ts',
    {
      line: 'token < count',
      change: 'token < count -> token <= count',
      reason: 'the next batch, or nothing, stands there',
    },
    {
      line: 'end < tokens',
      change: ['end < tokens -> true', 'end < tokens -> end <= tokens'],
      reason: 'past the last token there is no domain, so none that is the same',
    },
  ),
  ...inFile(
    'metrics/src/isotropic-null.ts',
    { line: 'expert < experts', change: 'expert < experts -> expert <= experts', reason: PAST_THE_END },
    { line: 'needed = -Infinity', change: '-Infinity -> +Infinity', reason: 'it is cleared before it is used' },
    { line: 'slot > 0', change: ['slot > 0 -> true', 'slot > 0 -> slot >= 0'], reason: NOTHING_THERE },
    {
      line: 'slot > 0',
      change: 'scores[slot - 1]! < score -> scores[slot - 1]! <= score',
      reason: 'the order of equal scores does not change which experts are kept',
    },
    { line: 'd < latentDim', change: 'd < latentDim -> d <= latentDim', reason: PAST_THE_END },
    { line: 'block < scores.length', change: 'block < scores.length -> block <= scores.length', reason: PAST_THE_END },
    { line: 'd < width', change: 'd < width -> d <= width', reason: PAST_THE_END },
    { line: 'd < vector.length', change: 'd < vector.length -> d <= vector.length', reason: PAST_THE_END },
  ),
];

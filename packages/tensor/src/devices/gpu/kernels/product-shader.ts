/**
 * Matrix products with workgroup memory: the threads of a workgroup load a slice of both matrices once, and each makes
 * several rows and columns of the result from it. gpu.js kernels (matmul.ts) know no such memory: they are the
 * reference for these, and do what is too small for a tile.
 */
import type { ShaderCode } from '../backend.ts';

/** `threads x threads` threads of a workgroup, each with `each x each` results; slices are `depth` rounds deep. */
export interface Tile {
  readonly threads: number;
  readonly each: 4 | 8;
  /** Slices of both matrices fit into the 16 KiB that WebGPU promises a workgroup. */
  readonly depth: number;
}

/** From the largest on: the more of a slice a thread uses, the less it waits for memory. */
export const TILES: readonly Tile[] = [
  { threads: 16, each: 8, depth: 8 },
  { threads: 16, each: 4, depth: 16 },
  { threads: 8, each: 4, depth: 16 },
];

/** Workgroups that keep a large GPU busy; where there are fewer, smaller tiles make more of them. */
const ENOUGH_WORKGROUPS = 128;

/** Below so many rows or columns a tile would be partly empty, and so few rounds need no slices. */
const LEAST = 32;

/** Rows and columns of the result that a workgroup makes. */
export function sideOf({ threads, each }: Tile): number {
  return threads * each;
}

/**
 * The tile for `count` results of `[m, n]` from `k` rounds each; null where a gpu.js kernel does as well.
 */
export function tileFor(m: number, n: number, k: number, count: number): Tile | null {
  if (Math.min(m, n, k) < LEAST) return null;
  const busy = (tile: Tile): boolean => {
    const side = sideOf(tile);
    return count * Math.ceil(m / side) * Math.ceil(n / side) >= ENOUGH_WORKGROUPS && 2 * Math.min(m, n) >= side;
  };
  return TILES.find(busy) ?? TILES.at(-1)!;
}

/** What is multiplied, but for extents and strides, which are scalars. */
export interface ProductShader {
  readonly tile: Tile;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** Whether matrices are read and written four numbers at once: all their rows and places are multiples of four. */
  readonly vector: boolean;
  /** Whether `old` is added. */
  readonly accumulate: boolean;
  /**
   * What `offsets` cuts into groups. 'rows' of a and the result: each has its own b. 'rounds': each has its own result.
   */
  readonly grouped: 'rows' | 'rounds' | null;
}

/**
 * Scalars `m`, `n`, `k` (the extents), `aBatch`, `bBatch` (numbers from one matrix to the next) and with groups
 * `groups`. Buffers `a`, `b`, and as wanted `old`, `offsets`; the result is `out`.
 */
export function productShader(product: ProductShader): ShaderCode {
  const { tile, transposeA, transposeB, vector, accumulate, grouped } = product;
  const side = sideOf(tile);
  const { threads, each, depth } = tile;
  const quads = each / 4;
  // Whole vectors go into workgroup memory as they come where they lie along columns.
  const vectorB = vector && !transposeB;
  const stride = side + 4;
  const rows = Array.from({ length: each }, (_, i) => i);
  const columns = Array.from({ length: quads }, (_, j) => j);
  const bAt = (j: number): string => {
    if (vectorB) return `bTile[k * ${side / 4} + across + ${j * threads}]`;
    const first = `k * ${stride} + (across + ${j * threads}) * 4`;
    return `vec4<f32>(bTile[${first}], bTile[${first} + 1], bTile[${first} + 2], bTile[${first} + 3])`;
  };
  const body = `let thread = i32(index);
  let across = i32(local.x);
  let down = i32(local.y) * ${each};
  let column0 = i32(group.x) * ${side};
${place(product, side)}
  ${rows.flatMap((i) => columns.map((j) => `var sum${i}_${j} = vec4<f32>(0.0);`)).join(' ')}
  for (var k0 = firstRound; k0 < endRound; k0 += ${depth}) {
    ${loads('a', transposeA, 'row0', 'rowEnd', 'aBase', transposeA ? 'params.m' : 'params.k', product)}
    ${loads('b', !transposeB, 'column0', 'params.n', 'bBase', transposeB ? 'params.k' : 'params.n', product)}
    workgroupBarrier();
    for (var k = 0; k < ${depth}; k++) {
      ${columns.map((j) => `let b${j} = ${bAt(j)};`).join(' ')}
      ${rows
        .map((i) => {
          const steps = columns.map((j) => `sum${i}_${j} = fma(vec4<f32>(a${i}), b${j}, sum${i}_${j});`);
          return `let a${i} = aTile[k * ${stride} + down + ${i}]; ${steps.join(' ')}`;
        })
        .join('\n      ')}
    }
    workgroupBarrier();
  }
  ${rows
    .map((i) => {
      const stores = columns.map((j) =>
        store(`sum${i}_${j}`, `column0 + (across + ${j * threads}) * 4`, vector, accumulate),
      );
      return `if (row0 + down + ${i} < rowEnd) { let start = outBase + (row0 + down + ${i}) * params.n; ${stores.join(' ')} }`;
    })
    .join('\n  ')}`;
  return {
    threads: [threads, threads],
    memory: {
      aTile: `array<f32, ${depth * stride}>`,
      bTile: vectorB ? `array<vec4<f32>, ${(depth * side) / 4}>` : `array<f32, ${depth * stride}>`,
    },
    functions: grouped === null ? '' : OFFSET_FUNCTION,
    body,
  };
}

/** Statements that say where a workgroup is: `row0`, `rowEnd`, the rounds, and where the matrices begin. */
function place({ grouped }: ProductShader, side: number): string {
  if (grouped === null) {
    return `  let row0 = i32(group.y) * ${side};
  let rowEnd = params.m;
  let firstRound = 0;
  let endRound = params.k;
  let aBase = params.aStart + i32(group.z) * params.aBatch;
  let bBase = params.bStart + i32(group.z) * params.bBatch;
  let outBase = i32(group.z) * params.m * params.n;`;
  }
  if (grouped === 'rounds') {
    return `  let row0 = i32(group.y) * ${side};
  let rowEnd = params.m;
  let firstRound = offset(i32(group.z));
  let endRound = offset(i32(group.z) + 1);
  let aBase = params.aStart;
  let bBase = params.bStart;
  let outBase = i32(group.z) * params.m * params.n;`;
  }
  // Tile j of group g is workgroup floor(offset(g) / side) + g + j: no two are the same, and a search finds g.
  return `  let slot = i32(group.y);
  var owner = 0;
  for (var step = params.search; step >= 1; step /= 2) {
    let next = owner + step;
    if (next < params.groups && offset(next) / ${side} + next <= slot) { owner = next; }
  }
  let row0 = offset(owner) + (slot - offset(owner) / ${side} - owner) * ${side};
  let rowEnd = offset(owner + 1);
  if (row0 >= rowEnd) { return; }
  let firstRound = 0;
  let endRound = params.k;
  let aBase = params.aStart;
  let bBase = params.bStart + owner * params.bBatch;
  let outBase = 0;`;
}

/** The function `offset`, for shaders of groups. */
const OFFSET_FUNCTION = 'fn offset(group : i32) -> i32 { return i32(offsets[params.offsetsStart + group]); }\n';

/**
 * Statements that load a slice into workgroup memory, as `[round][place]`; zeros where the matrix ends. `alongPlaces`:
 * whether neighbours in memory are neighbouring places (rows of a, columns of b), else rounds; `length` is how far such
 * lines are apart.
 */
function loads(
  name: 'a' | 'b',
  alongPlaces: boolean,
  place0: string,
  placeEnd: string,
  base: string,
  length: string,
  { tile, vector }: ProductShader,
): string {
  const side = sideOf(tile);
  const stride = side + 4;
  const width = vector ? 4 : 1;
  const { threads, depth } = tile;
  const line = (alongPlaces ? side : depth) / width;
  const [round, at] = alongPlaces ? ['line', `along * ${width}`] : [`along * ${width}`, 'line'];
  const memory = alongPlaces
    ? `${base} + (k0 + round) * ${length} + ${place0} + at`
    : `${base} + (${place0} + at) * ${length} + k0 + round`;
  const kept = (): string => {
    if (!vector) return `${name}Tile[round * ${stride} + at] = value;`;
    if (alongPlaces && name === 'b') return `bTile[round * ${side / 4} + along] = value;`;
    const target = (lane: number): string =>
      alongPlaces ? `round * ${stride} + at + ${lane}` : `(round + ${lane}) * ${stride} + at`;
    return [0, 1, 2, 3].map((lane) => `${name}Tile[${target(lane)}] = value[${lane}];`).join(' ');
  };
  return `for (var i = thread; i < ${(side * depth) / width}; i += ${threads ** 2}) {
      let line = i / ${line};
      let along = i % ${line};
      let round = ${round};
      let at = ${at};
      var value = ${vector ? 'vec4<f32>(0.0)' : '0.0'};
      if (k0 + round < endRound && ${place0} + at < ${placeEnd}) { value = ${name}[(${memory})${vector ? ' / 4' : ''}]; }
      ${kept()}
    }`;
}

/** Writes four neighbours of a row that begins at `start`. */
function store(sum: string, column: string, vector: boolean, accumulate: boolean): string {
  const old = (at: string): string => (accumulate ? ` + old[(params.oldStart + ${at})${vector ? ' / 4' : ''}]` : '');
  if (vector) {
    return `if (${column} < params.n) { out[(start + ${column}) / 4] = ${sum}${old(`start + ${column}`)}; }`;
  }
  return [0, 1, 2, 3]
    .map((lane) => {
      const at = `start + ${column} + ${lane}`;
      return `if (${column} + ${lane} < params.n) { out[${at}] = ${sum}[${lane}]${old(at)}; }`;
    })
    .join(' ');
}

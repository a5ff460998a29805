/** Launches of the products with workgroup memory; null where a gpu.js kernel is to do it. */
import type { Recorder } from '../recorder.ts';
import type { Value } from '../value.ts';
import { type ProductShader, productShader, sideOf, type Tile, tileFor } from './product-shader.ts';

interface Product extends Pick<ProductShader, 'transposeA' | 'transposeB'> {
  readonly a: Value;
  readonly b: Value;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** `out[b] (+)= op(a[b]) op(b[b])`, as the kernel list says. */
export function tiledProduct(
  run: Recorder,
  product: Product & {
    readonly batch: number;
    readonly aBatchStride: number;
    readonly bBatchStride: number;
    readonly old: Value | null;
  },
  tile: Tile | null = tileFor(product.m, product.n, product.k, product.batch),
): Value | null {
  const { m, n, batch, aBatchStride, bBatchStride, old } = product;
  if (tile === null || !run.runsShaders || batch > MOST_ALONG_Z) return null;
  const side = sideOf(tile);
  return launch(run, product, {
    shader: { tile, accumulate: old !== null, grouped: null },
    buffers: old === null ? {} : { old },
    strides: [aBatchStride, bBatchStride],
    elements: batch * m * n,
    workgroups: [Math.ceil(n / side), Math.ceil(m / side), batch],
  });
}

/** Rows of x in groups, each times its own matrix. */
export function tiledGroupedProduct(
  run: Recorder,
  product: Product & { readonly offsets: Value; readonly groups: number },
): Value | null {
  const { m, n, k, offsets, groups } = product;
  const tile = run.runsShaders && groups > 0 ? tileFor(Math.ceil(m / groups), n, k, groups) : null;
  if (tile === null) return null;
  const side = sideOf(tile);
  return launch(run, product, {
    shader: { tile, accumulate: false, grouped: 'rows' },
    buffers: { offsets },
    integers: { groups, search: 2 ** Math.ceil(Math.log2(groups)) },
    strides: [0, n * k],
    elements: m * n,
    workgroups: [Math.ceil(n / side), Math.floor(m / side) + groups, 1],
  });
}

/** For each group of `rows` rows in all: its rows of a, turned, times its rows of b. */
export function tiledGroupedTransposedProduct(
  run: Recorder,
  product: Omit<Product, 'k' | 'transposeA' | 'transposeB'> & {
    readonly offsets: Value;
    readonly groups: number;
    readonly rows: number;
  },
): Value | null {
  const { m, n, offsets, groups, rows, ...rest } = product;
  const k = Math.ceil(rows / Math.max(1, groups));
  const tile = run.runsShaders && groups <= MOST_ALONG_Z ? tileFor(m, n, k, groups) : null;
  if (tile === null) return null;
  const side = sideOf(tile);
  return launch(
    run,
    { ...rest, m, n, k: 0, transposeA: true, transposeB: false },
    {
      shader: { tile, accumulate: false, grouped: 'rounds' },
      buffers: { offsets },
      strides: [0, 0],
      elements: groups * m * n,
      workgroups: [Math.ceil(n / side), Math.ceil(m / side), groups],
    },
  );
}

/** Workgroups that WebGPU allows along an axis. */
const MOST_ALONG_Z = 65_535;

function launch(
  run: Recorder,
  { a, b, m, n, k, transposeA, transposeB }: Product,
  how: {
    readonly shader: Pick<ProductShader, 'tile' | 'accumulate' | 'grouped'>;
    readonly buffers: Readonly<Record<string, Value>>;
    readonly integers?: Readonly<Record<string, number>>;
    readonly strides: readonly [number, number];
    readonly elements: number;
    readonly workgroups: readonly [number, number, number];
  },
): Value {
  const [aBatch, bBatch] = how.strides;
  const { offsets, ...rest } = how.buffers;
  // Every line of a matrix begins at a multiple of four where these do.
  const places = [n, transposeA ? m : k, transposeB ? k : n, aBatch, bBatch];
  for (const { offset } of [a, b, ...Object.values(rest)]) places.push(offset);
  const vector = places.every((place) => place % 4 === 0);
  const shader: ProductShader = { ...how.shader, transposeA, transposeB, vector };
  const { tile, accumulate, grouped } = shader;
  const layout = [transposeA, transposeB, vector, accumulate, grouped].join();
  const [out] = run.launchShader({
    key: `product ${tile.threads} ${tile.each} ${layout}`,
    buffers: { a, b, ...rest, ...(offsets !== undefined && { offsets }) },
    integers: { m, n, k, aBatch, bBatch, ...how.integers },
    results: { out: how.elements },
    ...(vector && { vectorsBut: ['offsets'] }),
    workgroups: how.workgroups,
    code: () => productShader(shader),
  });
  return out!;
}

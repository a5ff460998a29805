import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { ByteTokenizer } from '@lpr/data';
import { encodeTrace, type RoutingTrace } from '@lpr/metrics';
import { decodeSafetensors, encodeSafetensors } from '@lpr/model';
import { readLatents, readRuns, readTraces } from '@lpr/runs';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { renderRuns } from '../src/index.ts';
import { metricsLine } from './folders.ts';

// Pictures are drawn; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 120_000 });

const TEXT = 'The router sends <b>every</b> token to two experts.\n';
const EXPERTS = 8;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'traces-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Two layers, two slots; where tokens go turns by one expert with every `turn`. */
function traceOf(turn: number): RoutingTrace {
  const tokenIds = new ByteTokenizer().encode(TEXT);
  const tokens = tokenIds.length;
  const chosen = new Uint16Array(2 * tokens * 2);
  for (let i = 0; i < 2 * tokens; i++) {
    chosen[2 * i] = (tokenIds[i % tokens]! + turn) % EXPERTS;
    chosen[2 * i + 1] = (tokenIds[i % tokens]! + turn + 3) % EXPERTS;
  }
  const weights = new Float32Array(chosen.length).map((_, i) => (i % 2 === 0 ? 0.75 : 0.25));
  const domainOf = new Uint16Array(tokens).map((_, i) => (i < tokens / 2 ? 0 : 1));
  return {
    layers: 2,
    experts: EXPERTS,
    slots: 2,
    tokens,
    tokenIds,
    domains: ['prose', 'code'],
    domainOf,
    chosen,
    weights,
  };
}

function numbers(length: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, i) => Math.sin(7 * i) + (i % 3));
}

type Tensors = Record<string, { readonly shape: readonly number[]; readonly data: Float32Array | Int32Array }>;

const LATENTS = 'latents/step-000002.safetensors';

async function writeRun(changed: Tensors = {}): Promise<void> {
  await writeFile(join(folder, 'metrics.jsonl'), metricsLine(1) + metricsLine(2));
  await writeFile(join(folder, 'config.yaml'), 'router: lpr\nlpr:\n  measure: cosine\n  latentDim: 3\n');
  await writeFile(join(folder, 'tokenizer.json'), new ByteTokenizer().toJson());
  for (const inner of ['traces', 'latents']) await mkdir(join(folder, inner));
  for (const [step, turn] of [
    [1, 1],
    [2, 0],
  ] as const) {
    // biome-ignore format: pairs
    await writeFile(join(folder, `traces/step-00000${step}.trace`), encodeTrace(traceOf(turn)));
  }
  const rows = 40;
  const latents: Tensors = {
    'layers.0.latents': { shape: [rows, 3], data: numbers(3 * rows) },
    'layers.0.tokens': { shape: [rows], data: new Int32Array(rows) },
    'layers.0.experts': { shape: [rows, 2], data: Int32Array.from({ length: 2 * rows }, (_, i) => i % EXPERTS) },
    'layers.0.prototypes': { shape: [EXPERTS, 3], data: numbers(3 * EXPERTS) },
    ...changed,
  };
  await writeFile(join(folder, LATENTS), encodeSafetensors(new Map(Object.entries(latents))));
}

test('every figure of traces and latents is drawn', async () => {
  await writeRun();
  const { written, skipped } = await renderRuns(await readRuns(folder), { out: folder, windows: 1 });
  const names = ['routing-strip', 'saturation', 'coactivation', 'domains', 'vocabulary', 'latents', 'latent-geometry'];
  expect(written.map((path) => basename(path, '.png'))).toEqual(expect.arrayContaining(names));
  expect(skipped.filter((sentence) => names.some((name) => sentence.startsWith(`not in ${name}:`)))).toEqual([]);
});

test('what was written is read', async () => {
  await writeRun();
  const [run] = await readRuns(folder);
  expect(run!.facts).toMatchObject({ latentDim: 3, byAngle: true });
  const traces = (await readTraces(run!.files)).value!;
  expect(traces.steps.map(({ step }) => step)).toEqual([1, 2]);
  expect(traces.last.chosen).toEqual(traceOf(0).chosen);
  const [layer] = (await readLatents(run!.files, decodeSafetensors)).value!;
  expect(layer).toMatchObject({
    layer: 0,
    latents: { rows: 40, columns: 3 },
    prototypes: { rows: EXPERTS, columns: 3 },
  });
  expect(Array.from(layer!.experts.slice(0, 5))).toEqual([0, 2, 4, 6, 0]);
});

// biome-ignore format: a line each
test.each([
  ['latents', [40, 3], numbers(120).fill(Number.NaN, 5, 6), 'latents[1][2] is NaN; it must be finite'],
  ['prototypes', [8, 3], numbers(24).fill(Infinity, 9, 10), 'prototypes[3][0] is Infinity; it must be finite'],
  ['prototypes', [8, 2], numbers(16), 'prototypes has 2 columns and layers.0.latents 3; they lie in one space'],
  ['prototypes', [0, 3], numbers(0), 'prototypes is missing or no matrix'],
  ['experts', [39, 2], new Int32Array(78), 'experts has 39 rows and layers.0.latents 40; each token has one in both'],
  ['experts', [40, 0], new Int32Array(0), 'experts is missing or no matrix'],
  ['experts', [40, 2], new Int32Array(80).fill(8, 3, 4), 'experts[1][1] is 8; it must be an expert, from 0 to 7'],
  ['experts', [40, 2], new Int32Array(80).fill(-1, 0, 1), 'experts[0][0] is -1; it must be an expert, from 0 to 7'],
])('latents that are none are refused by file and place: %s %j', async (part, shape, data, message) => {
  await writeRun({ [`layers.0.${part}`]: { shape, data } });
  const [run] = await readRuns(folder);
  const { missing } = (await readLatents(run!.files, decodeSafetensors)) as { missing?: string };
  expect(missing).toBe(`${LATENTS}: layers.0.${message}`);
});

test('a damaged file costs its figures alone, and is named', async () => {
  await writeRun();
  await writeFile(join(folder, 'traces/step-000002.trace'), 'LPRTRACE and nothing more that makes sense');
  await writeFile(join(folder, LATENTS), 'no');
  await writeFile(join(folder, 'tokenizer.json'), '{');
  const { written, skipped } = await renderRuns(await readRuns(folder), { out: folder, windows: 1 });
  const drawn = written.map((path) => basename(path, '.png'));
  // The trace of the first step is still there.
  expect(drawn).toEqual(expect.arrayContaining(['curves', 'coactivation', 'domains', 'vocabulary', 'report.html']));
  for (const reason of [
    /^not in routing-strip: .*tokenizer.json/,
    /^not in saturation: .*there is only one trace/,
    /^not in latents: .*latents\/step-000002.safetensors: /,
  ]) {
    expect(skipped).toContainEqual(expect.stringMatching(reason));
  }
});

test('a run without traces says so', async () => {
  await writeFile(join(folder, 'metrics.jsonl'), metricsLine(1));
  const { skipped } = await renderRuns(await readRuns(folder), { out: folder, windows: 1 });
  expect(skipped).toContainEqual(expect.stringMatching(/^not in coactivation: .*there is no trace in traces\//));
  expect(skipped).toContainEqual(expect.stringMatching(/^not in latents: .*only latent routers write them/));
});

/** Run folders for tests, written as the trainer writes them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  encodeLoadHeader,
  encodeLoadWindow,
  encodeTrace,
  layersReport,
  type LoadShape,
  type LoadWindow,
} from '@lpr/metrics';
import { balanceOf, type EvaluationLine, type MetricsLine } from '@lpr/runs';

/** An empty folder, and a function that removes it. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'lpr-dashboard-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

export const SHAPE: LoadShape = { layers: 2, experts: 8, topK: 2 };

/** Window number `i`: counts that tell window, layer and expert apart. */
export function windowOf(i: number, { layers, experts }: LoadShape = SHAPE): LoadWindow {
  const counts = Array.from({ length: layers }, (_, layer) =>
    Array.from({ length: experts }, (_, expert) => 1000 * i + 100 * layer + expert),
  );
  return { step: 10 * (i + 1), tokens: 2560, counts };
}

export function loadsFile(windows: number, shape: LoadShape = SHAPE): Buffer {
  const records = Array.from({ length: windows }, (_, i) => encodeLoadWindow(shape, windowOf(i, shape)));
  return Buffer.concat([encodeLoadHeader(shape), ...records]);
}

/** A line of metrics of a step; every tenth closes a window. */
export function metricsLine(step: number, more: Partial<MetricsLine> = {}): string {
  const balance = { mean: { gini: 0.5 / step, minMax: 0.5 }, worst: { gini: 0.6, minMax: 0.1 } };
  const line: MetricsLine = {
    step,
    tokens: 256 * step,
    loss: 6 - step / 100,
    totalLoss: 6.3,
    learningRate: 1e-3,
    gradientNorm: 1,
    terms: { diversity: { raw: [1, 2], weighted: [0.1, 0.2] } },
    ...(step % 10 === 0 && { balance }),
    ...more,
  };
  return `${JSON.stringify(line)}\n`;
}

/** A line of evaluations of a finished run; balance is that of the counts unless given. */
export function evaluationLine({
  counts = [
    [1, 2, 3, 4, 5, 6, 7, 8],
    [8, 7, 6, 5, 4, 3, 2, 1],
  ],
  ...more
}: Partial<EvaluationLine> = {}): string {
  const line: EvaluationLine = {
    step: 40,
    tokens: 10_240,
    final: true,
    domains: { prose: { loss: 5.25, perplexity: Math.exp(5.25), tokens: 99 } },
    loss: 5.25,
    perplexity: Math.exp(5.25),
    evaluatedTokens: 99,
    balance: counts.length === 0 ? null : balanceOf(layersReport(counts)),
    mutualInformation: null,
    mutualInformationBias: null,
    counts,
    ...more,
  };
  return `${JSON.stringify(line)}\n`;
}

/** Writes a run of some steps. */
export async function writeRun(folder: string, steps = 40): Promise<void> {
  await mkdir(folder, { recursive: true });
  const lines = Array.from({ length: steps }, (_, i) => metricsLine(i + 1)).join('');
  const config = 'architecture: mixtral\nrouter: lpr\nseed: 3\ntraining:\n  steps: 100\n';
  await writeFile(join(folder, 'config.yaml'), config);
  await writeFile(join(folder, 'metrics.jsonl'), lines);
  await writeFile(join(folder, 'loads.bin'), loadsFile(Math.floor(steps / 10)));
}

/** A trace of 64 tokens of two domains; each goes to the expert of its number plus `shift`, and to the next. */
export function traceFile(shift: number): Uint8Array {
  const tokens = 64;
  const { layers, experts, topK } = SHAPE;
  const chosen = Array.from(
    { length: layers * tokens * topK },
    (_, i) => (Math.floor(i / topK) + (i % topK) + shift) % experts,
  );
  return encodeTrace({
    layers,
    experts,
    slots: topK,
    tokens,
    tokenIds: Int32Array.from({ length: tokens }, (_, token) => token % 5),
    domains: ['news', '<b>code'],
    domainOf: Uint16Array.from({ length: tokens }, (_, token) => token % 2),
    chosen: Uint16Array.from(chosen),
    weights: new Float32Array(chosen.length).fill(1 / topK),
  });
}

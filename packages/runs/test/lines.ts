/** Lines and files of runs for tests, as the trainer writes them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeLoadHeader, encodeLoadWindow, layersReport, type LoadShape, type LoadWindow } from '@lpr/metrics';
import { afterEach, beforeEach } from 'vitest';
import { balanceOf } from '../src/balance.ts';
import type { EvaluationLine } from '../src/evaluation-line.ts';
import type { MetricsLine } from '../src/metrics-line.ts';

/** A folder for each test of a file; gives its path. */
export function useFolder(): () => string {
  let path = '';
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'lpr-runs-'));
  });
  afterEach(async () => await rm(path, { recursive: true, force: true }));
  return () => path;
}

export const SHAPE: LoadShape = { layers: 2, experts: 4, topK: 1 };

const COUNTS = [
  [4, 3, 2, 1],
  [10, 0, 0, 0],
];

/** Every tenth step closes a window. */
export function metricsLine(step: number, more: Partial<MetricsLine> = {}): MetricsLine {
  return {
    step,
    tokens: 10 * step,
    loss: 1 / step,
    totalLoss: 2 / step,
    learningRate: 1e-3,
    gradientNorm: 1,
    terms: { kl: { raw: [1, 2], weighted: [0.25, 0.5] } },
    ...(step % 10 === 0 ? { balance: balanceOf(layersReport(COUNTS)), tokensPerSecond: 1000 } : {}),
    ...more,
  };
}

export function evaluationLine(step: number, more: Partial<EvaluationLine> = {}): EvaluationLine {
  return {
    step,
    tokens: 10 * step,
    final: false,
    domains: { prose: { loss: 2, perplexity: Math.exp(2), tokens: 10 } },
    loss: 2,
    perplexity: Math.exp(2),
    evaluatedTokens: 10,
    balance: balanceOf(layersReport(COUNTS)),
    mutualInformation: 0.5,
    mutualInformationBias: 0.25,
    counts: COUNTS,
    ...more,
  };
}

export function jsonLines(...lines: readonly unknown[]): string {
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

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

/** Runs and tables for the tests. */
import type { RunResult, RunsResult, Table, TablesResult } from '../src/index.ts';

export function sampleRun(changes: Partial<RunResult> = {}): RunResult {
  return {
    name: 'lpr',
    title: 'Qwen3-MoE-LPR',
    router: 'lpr',
    architecture: 'qwen3-moe',
    seed: 0,
    steps: 320,
    experts: 32,
    topK: 4,
    latentDim: 16,
    parameters: 4_410_000,
    trainedTokens: 655_360,
    evaluatedTokens: 102_400,
    testLoss: 4.84,
    mean: { gini: 0.0275, minMax: 0.8135, deadExperts: 0 },
    worst: { gini: 0.0356, minMax: 0.7442, deadExperts: 0 },
    mutualInformation: 1.696,
    mutualInformationBias: 0.029,
    tokensPerSecond: 9621,
    samplingFloor: { gini: 0.0044, minMax: 0.9671 },
    isotropicNull: { gini: 0.0394, minMax: 0.729 },
    settings: {},
    ...changes,
  };
}

const provenance = {
  about: 'a sample',
  commands: ['pnpm trainer compare'],
  when: '2026-11-27',
  machine: { cpu: 'AMD EPYC', node: 'v20.20.2', threads: 2 },
};

export function sampleRuns(runs: readonly RunResult[], changes: Partial<RunsResult> = {}): RunsResult {
  return { kind: 'runs', ...provenance, titles: {}, shared: {}, runs, paper: [], ...changes };
}

export const sampleTable: Table = {
  title: 'Matrix products',
  columns: [
    { key: 'product', title: 'product' },
    { key: 'ours', title: 'ours', decimals: 1, beside: { key: 'best', decimals: 2 } },
    { key: 'time', title: 'time', format: 'milliseconds' },
    { key: 'why', title: 'why' },
  ],
  rows: [
    { product: 'square, 768', ours: 1053.25, best: 56.5, time: 0.0123, why: 'a | b' },
    { product: 'thin', ours: null, time: 12.3456 },
  ],
  notes: [],
};

export function sampleTables(tables: Readonly<Record<string, Table>> = { products: sampleTable }): TablesResult {
  return { kind: 'tables', ...provenance, tables };
}

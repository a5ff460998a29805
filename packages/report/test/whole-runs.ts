/** The parts of runs that have everything that figures are made of. */
import { layersReport, type RoutingTrace } from '@lpr/metrics';
import { balanceOf } from '@lpr/runs';
import type { RunParts } from '../src/index.ts';

export interface WholeRun {
  readonly name: string;
  /** At which it was evaluated and traced; the last one is its end. */
  readonly steps?: readonly number[];
  /** Held-out tokens of each evaluation. */
  readonly tokens?: number;
}

const EXPERTS = 4;
const LAYERS = 2;
const SEQUENCE = 8;

/** Two experts a token, of two domains; later traces keep more of the first routing. */
function traceAt(step: number, tokens: number): RoutingTrace {
  const chosen = Uint16Array.from({ length: LAYERS * tokens * 2 }, (_, i) => {
    const token = Math.floor(i / 2);
    const first = (token + (token % 3 === 0 ? step : 0)) % EXPERTS;
    return i % 2 === 0 ? first : (first + 1 + (token % 2)) % EXPERTS;
  });
  return {
    ...{ layers: LAYERS, experts: EXPERTS, slots: 2, tokens, domains: ['prose', 'code'] },
    tokenIds: Int32Array.from({ length: tokens }, (_, i) => (i * i) % 11),
    domainOf: Uint16Array.from({ length: tokens }, (_, i) => (i < tokens / 2 ? 0 : 1)),
    chosen,
    weights: new Float32Array(chosen.length).fill(0.5),
  };
}

export function wholeRun({ name, steps = [10, 20, 30], tokens = 64 }: WholeRun): RunParts {
  const last = steps.at(-1)!;
  const loads = [
    [tokens, tokens / 2, tokens / 4, tokens / 4],
    [tokens / 2, tokens / 2, tokens / 2, tokens / 2],
  ];
  const evaluations = steps.map((step, i) => ({
    ...{ step, tokens: 100 * step, final: step === last, domains: {}, loss: 4 - i / 10, perplexity: 50 },
    ...{ evaluatedTokens: tokens, balance: balanceOf(layersReport(loads)) },
    ...{ mutualInformation: 0.2 + i / 10, mutualInformationBias: 0.25, counts: loads },
    decisions: [{ entropy: 0.9 - i / 10, margin: 0.5 + i / 10, independentMargin: 0.4 }, null],
  }));
  const matrix = (rows: number) => ({
    ...{ rows, columns: 2 },
    values: Float64Array.from({ length: 2 * rows }, (_, i) => Math.sin(1 + i * i)),
  });
  const all = Array.from({ length: last }, (_, i) => i + 1);
  const series = (of: (step: number) => number, at: readonly number[] = all) => ({ steps: at, values: at.map(of) });
  return {
    name,
    facts: { router: 'lpr', latentDim: 2, seed: 0, byAngle: true, sequenceLength: SEQUENCE },
    series: {
      value: {
        valuesPerPoint: 1,
        series: {
          loss: series((step) => 5 - step / 30),
          tokens: series((step) => 100 * step),
          'balance.gini': series((step) => 1 / step, steps),
          'phase.experts': series(() => 2),
          'norm.task.router': series(() => 0.5),
          'ranks.slowestLoad': series((step) => 1 + 1 / step, steps),
          'ranks.imbalance': series((step) => 100 / step, steps),
          'ranks.sentTokens': series(() => 2e6, steps),
        },
      },
    },
    evaluation: { value: evaluations.at(-1)! },
    evaluations: { value: evaluations },
    loads: {
      value: {
        shape: { layers: LAYERS, experts: EXPERTS, topK: 2 },
        windows: steps.map((step) => ({ step, tokens, counts: loads })),
        truncatedBytes: 0,
      },
    },
    window: { experts: EXPERTS, layers: LAYERS, tokens, expertsPerToken: 2 },
    traces: {
      value: { steps: steps.map((step) => ({ step, trace: traceAt(step, tokens) })), last: traceAt(last, tokens) },
    },
    texts: { value: ['a', ' b', 'c'] },
    latents: {
      value: [0, 1].map((layer) => ({
        ...{ step: last, layer, latents: matrix(tokens), prototypes: matrix(EXPERTS) },
        experts: new Int32Array(tokens),
      })),
    },
    similarity: {
      value: {
        step: last,
        layers: [0, 1].map((layer) => ({
          ...{ layer, tokens: 16 },
          similarity: Array.from({ length: EXPERTS }, (_, i) =>
            Float64Array.from({ length: EXPERTS }, (__, j) => (i === j ? 1 : 0.25)),
          ),
          independent: Array.from({ length: EXPERTS }, () => new Float64Array(EXPERTS).fill(0.125)),
        })),
      },
    },
  };
}

import { layersReport } from '@lpr/metrics';
import type { EvaluationLine } from '@lpr/runs';
import type { StepProgress } from '@lpr/train';
import { describe, expect, it } from 'vitest';
import { createProgress, formatSeconds } from '../src/cli/progress.ts';

function capture(isTTY: boolean) {
  const written: string[] = [];
  return { stream: { isTTY, columns: 200, write: (text: string) => written.push(text) }, written };
}

function stepAt(step: number, windows: number, balance: StepProgress['balance']): StepProgress {
  const report = {
    step,
    tokens: 100,
    loss: 2.5,
    totalLoss: 3,
    terms: [],
    gradientNorm: 1,
    learningRate: 1e-3,
    counts: [],
  };
  return { report, tokens: 100 * step, windows, balance, tokensPerSecond: 1000 };
}

function evaluationOf(domains: readonly string[]): EvaluationLine {
  const measures = { gini: 0.125, minMax: null };
  return {
    step: 20,
    tokens: 2000,
    final: true,
    domains: Object.fromEntries(domains.map((name) => [name, { loss: 2, perplexity: Math.exp(2), tokens: 50 }])),
    loss: 2.25,
    perplexity: Math.exp(2.25),
    evaluatedTokens: 100,
    balance: { mean: measures, worst: measures },
    mutualInformation: null,
    mutualInformationBias: null,
    counts: [[1, 3]],
  };
}

const balance = layersReport([[1, 3]]);

describe('progress', () => {
  it('writes a plain line for each logging window where there is no terminal', () => {
    const { stream, written } = capture(false);
    const progress = createProgress(stream, {});
    for (const detail of ['1M tokens', '2M tokens']) progress.phase('encoding c4', detail);
    progress.step('lpr', 20, stepAt(9, 0, null));
    progress.step('lpr', 20, stepAt(10, 1, balance));
    progress.step('lpr', 20, stepAt(11, 1, balance));
    progress.evaluation('lpr', 50, 100);
    progress.evaluated('lpr', evaluationOf(['c4', 'arxiv']));
    progress.evaluated('lpr', evaluationOf(['c4']));
    // A model without experts has no balance.
    for (const step of [9, 10, 11]) progress.step('dense', 20, stepAt(step, step < 10 ? 0 : 1, null));
    progress.evaluated('dense', { ...evaluationOf(['c4']), balance: null, counts: [] });
    // Every measure of short tables is among them.
    expect(written).toEqual([
      'encoding c4\n',
      expect.stringMatching(
        /^run=lpr step=10\/20 loss=2\.5000 gini=0\.250 min-max=0\.333 maxvio=0\.500 .*tokens\/s=1000 left=1s\n$/,
      ),
      expect.stringMatching(
        /^run=lpr step=20 held-out-loss=2\.2500 loss\/c4=2\.0000 loss\/arxiv=2\.0000 tokens=100 gini=0\.125 min-max=none /,
      ),
      expect.stringMatching(/^run=lpr step=20 held-out-loss=2\.2500 tokens=100 gini=0\.125 min-max=none /),
      'run=dense step=10/20 loss=2.5000 tokens/s=1000 left=1s\n',
      'run=dense step=20 held-out-loss=2.2500 tokens=100\n',
    ]);
  });

  it('rewrites one line on a terminal and cleans up after itself', () => {
    const { stream, written } = capture(true);
    const progress = createProgress(stream, { NO_COLOR: '1' });
    progress.step('lpr', 20, stepAt(20, 1, balance));
    progress.note('kept');
    progress.end();
    expect(written).toEqual([
      expect.stringMatching(
        /^lpr {2}20\/20 {2}loss 2\.500 {2}gini 0\.250 {2}min-max 0\.333 .* {2}0s left {2}1\.0k tokens\/s$/,
      ),
      '\r\u001B[K',
      'kept\n',
    ]);
  });

  it('tells the time left by more than the last window', () => {
    const { stream, written } = capture(false);
    const progress = createProgress(stream, {});
    const left = (step: number, windows: number, tokensPerSecond: number, run = 'lpr'): string => {
      progress.step(run, 1010, { ...stepAt(step, windows, null), tokensPerSecond });
      return / left=(\S+)\n$/.exec(written.at(-1)!)![1]!;
    };
    expect(left(10, 1, 1000)).toBe('1m40s');
    // A window in which the machine did something else, ten times as slow: 100 s and a fifth of 900 s.
    expect(left(10, 2, 100)).toBe('4m40s');
    expect(left(10, 3, 1000)).toBe('4m04s');
    expect(left(10, 1, 500, 'other')).toBe('3m20s');
    expect(left(10, 2, 0, 'other')).toBe('?');
    expect(left(2000, 3, 500, 'another')).toBe('0s');
  });

  it('takes a terminal that says it has no columns for one that does not know', () => {
    for (const columns of [0, undefined]) {
      const written: string[] = [];
      const stream = { isTTY: true, ...(columns === 0 && { columns }), write: (text: string) => written.push(text) };
      createProgress(stream, { NO_COLOR: '1' }).phase('x'.repeat(100));
      expect(written).toEqual(['x'.repeat(79)]);
    }
  });

  it('dims the line unless NO_COLOR is set', () => {
    const { stream, written } = capture(true);
    createProgress(stream, {}).phase('reading');
    createProgress(stream, { NO_COLOR: '1' }).phase('reading');
    expect(written).toEqual(['\u001B[2mreading\u001B[22m', 'reading']);
  });
});

describe('formatSeconds', () => {
  it.each([
    [4.4, '4s'],
    [59.7, '1m00s'],
    [3725, '1h02m'],
    [9 * 86_400 + 4 * 3600, '9d04h'],
    [Number.POSITIVE_INFINITY, '?'],
  ])('writes %d as %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});

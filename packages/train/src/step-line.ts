/** What a step's report says in `metrics.jsonl`. */
import type { MetricsLine } from '@lpr/runs';
import type { LossTermValue, StepReport } from './trainer.ts';

/** @param tokens trained on so far */
export function metricsLine(report: StepReport, tokens: number): MetricsLine {
  const { step, loss, totalLoss, learningRate, gradientNorm } = report;
  return { step, tokens, loss, totalLoss, learningRate, gradientNorm, terms: termsByName(report.terms) };
}

function termsByName(terms: readonly LossTermValue[]): MetricsLine['terms'] {
  const byName: Record<string, { raw: number[]; weighted: number[] }> = {};
  for (const { name, raw, weighted } of terms) {
    const entry = (byName[name] ??= { raw: [], weighted: [] });
    entry.raw.push(raw);
    entry.weighted.push(weighted);
  }
  return byName;
}

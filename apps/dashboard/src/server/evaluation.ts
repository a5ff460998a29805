/**
 * Reads the figures of an evaluation, as a line of `evaluations.jsonl` or as `evaluation.json`, whatever is missing in
 * it.
 */
import { layersReport } from '@lpr/metrics';
import type { Evaluation } from '../api.ts';
import { countsOf, fieldsOf, numberOf } from '../json.ts';

/** Figures of the file's object; null for those that it lacks. */
export function readEvaluation(value: unknown): Evaluation {
  const file = fieldsOf(value);
  // evaluation.json keeps the figures of the finished model in a field of their own, beside how it was trained.
  const whole = 'evaluation' in file;
  const figures = whole ? fieldsOf(file['evaluation']) : file;
  const counts = countsOf(figures['counts']);
  return {
    step: numberOf(whole ? file['steps'] : file['step']),
    tokens: numberOf(figures['evaluatedTokens'] ?? figures['tokens']),
    final: whole || file['final'] === true,
    loss: numberOf(figures['testLoss'] ?? figures['loss']),
    gini: numberOf(figures['gini']),
    minMax: numberOf(figures['minMax']),
    maxVio: numberOf(figures['maxVio']) ?? (counts && numberOf(layersReport(counts).mean.maxViolation)),
    mutualInformation: numberOf(figures['mutualInformation']),
    domains: Object.fromEntries(
      Object.entries(fieldsOf(figures['domains'])).map(([name, domain]) => {
        const { loss, tokens } = fieldsOf(domain);
        return [name, { loss: numberOf(loss), tokens: numberOf(tokens) }];
      }),
    ),
    counts,
  };
}

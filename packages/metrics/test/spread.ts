/** Whether two ways of drawing loads give the same measures of balance, up to chance. */
import { type BalanceKey, balanceMeasures, type BalanceReport, balanceReport } from '../src/index.ts';

/** Mean and standard deviation of a measure. */
function spreadOf(reports: readonly BalanceReport[], key: BalanceKey): { mean: number; deviation: number } {
  const values = reports.map((report) => report[key]);
  const mean = values.reduce((a, b) => a + b) / values.length;
  const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / (values.length - 1)) };
}

/** The measures whose means differ by more than four standard errors, or whose deviations by more than a factor. */
export function strayed(a: readonly BalanceReport[], b: readonly BalanceReport[], factor: number): string[] {
  return balanceMeasures.flatMap(({ key }) => {
    const [x, y] = [spreadOf(a, key), spreadOf(b, key)];
    const error = Math.hypot(x.deviation / Math.sqrt(a.length), y.deviation / Math.sqrt(b.length));
    const same = Math.abs(x.mean - y.mean) <= 4 * error + 1e-12;
    const alike = x.deviation <= factor * y.deviation + 1e-12 && y.deviation <= factor * x.deviation + 1e-12;
    return same && alike ? [] : [`${key}: ${x.mean} +- ${x.deviation}, not ${y.mean} +- ${y.deviation}`];
  });
}

/** The measures of so many draws. */
export const reportsOf = (length: number, loads: () => Float64Array): BalanceReport[] =>
  Array.from({ length }, () => balanceReport(loads()));

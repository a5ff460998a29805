/** The metrics of a run as one series a figure, from lines as @lpr/train writes them or a part of such. */
import type { Series, SeriesFile } from '../api.ts';
import { RecordedSeries } from './series.ts';
import { fieldsOf } from '../json.ts';

/** A hostile or broken file must not fill the memory with names. */
const MAX_SERIES = 200;

const TOP_LEVEL = [
  'loss',
  'totalLoss',
  'learningRate',
  'gradientNorm',
  'tokens',
  'gini',
  'minMax',
  'maxVio',
  'tokensPerSecond',
] as const;

export class RecordedMetrics {
  readonly series: Map<string, RecordedSeries> = new Map();
  /** Of the last line; 0 before the first. */
  step = 0;

  reset(): void {
    this.series.clear();
    this.step = 0;
  }

  /** Takes a line; what is no number, or has no step, is passed over. */
  line(value: unknown): void {
    const line = fieldsOf(value);
    const step = line['step'];
    if (typeof step !== 'number' || !Number.isFinite(step)) return;
    this.step = step;
    for (const name of TOP_LEVEL) this.#push(name, step, line[name]);
    this.#pushAll('worst', step, line['worst']);
    this.#pushAll('phase', step, line['phases']);
    this.#pushAll('memory', step, line['memory']);
    for (const [term, figures] of Object.entries(fieldsOf(line['terms']))) {
      this.#push(`term.${term}`, step, sumOf(fieldsOf(figures)['weighted']));
    }
    for (const [term, parts] of Object.entries(fieldsOf(line['gradientNorms']))) {
      this.#pushAll(`norm.${term}`, step, parts);
    }
  }

  /** The newest value of a figure; null where none was recorded. */
  last(name: string): number | null {
    return this.series.get(name)?.last ?? null;
  }

  /** Every figure from a step on, at most `points` points each. */
  file(points: number, from: number = -Infinity): SeriesFile {
    let most = 0;
    const series: Record<string, Series> = {};
    for (const [name, recorded] of this.series) {
      most = Math.max(most, recorded.count(from));
      series[name] = recorded.points(points, from);
    }
    return { valuesPerPoint: Math.max(1, Math.ceil(most / points)), series };
  }

  #pushAll(prefix: string, step: number, values: unknown): void {
    for (const [name, value] of Object.entries(fieldsOf(values))) this.#push(`${prefix}.${name}`, step, value);
  }

  #push(name: string, step: number, value: unknown): void {
    if (typeof value !== 'number' || !Number.isFinite(value)) return;
    let series = this.series.get(name);
    if (series === undefined) {
      if (this.series.size >= MAX_SERIES) return;
      series = new RecordedSeries();
      this.series.set(name, series);
    }
    series.push(step, value);
  }
}

function sumOf(values: unknown): number | undefined {
  if (!Array.isArray(values) || values.length === 0) return undefined;
  return values.reduce((sum: number, value: unknown) => sum + (typeof value === 'number' ? value : Number.NaN), 0);
}

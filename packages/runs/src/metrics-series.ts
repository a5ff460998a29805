/** The metrics of a run as one series a number, growing line by line. */
import { type MetricsLine, seriesOf } from './metrics-line.ts';
import { RecordedSeries, type Series } from './series.ts';

/** A hostile or broken file must not fill the memory with names. */
const MAX_SERIES = 200;

/** Some series of a run. */
export interface SeriesFile {
  /** Recorded values that one point is the mean of, at most; 1 where every value is there. */
  readonly valuesPerPoint: number;
  /** By the names that `seriesOf` gives. */
  readonly series: Readonly<Record<string, Series>>;
}

/** The measures of a run while it grows, as series over steps. */
export class MetricsSeries {
  readonly #series: Map<string, RecordedSeries> = new Map();
  #step = 0;

  /** Of the last line; 0 before the first. */
  get step(): number {
    return this.#step;
  }

  /** Forgets all lines. */
  reset(): void {
    this.#series.clear();
    this.#step = 0;
  }

  /** Takes the next line. */
  line(line: MetricsLine): void {
    this.#step = line.step;
    for (const [name, value] of seriesOf(line)) this.#push(name, line.step, value);
  }

  /** The newest value of each series in a group, by what follows the group's name. */
  lastOf(group: string): Record<string, number> {
    return Object.fromEntries(
      Array.from(this.#series).flatMap(([name, { last }]) =>
        name.startsWith(`${group}.`) && last !== null ? [[name.slice(group.length + 1), last]] : [],
      ),
    );
  }

  /** The newest value of a series; null where none was recorded. */
  last(name: string): number | null {
    return this.#series.get(name)?.last ?? null;
  }

  /** At most so many means of a series; none where nothing was recorded. */
  values(name: string, points: number): readonly number[] {
    return this.#series.get(name)?.points(points).values ?? [];
  }

  /**
   * Every series from a step on, at most `points` points each.
   *
   * @param only names of those that are wanted; one that ends with a dot stands for all that begin so
   */
  file(points: number, from: number = -Infinity, only?: readonly string[]): SeriesFile {
    let most = 0;
    const series: Record<string, Series> = {};
    for (const [name, recorded] of this.#series) {
      if (only?.some((each) => (each.endsWith('.') ? name.startsWith(each) : name === each)) === false) continue;
      most = Math.max(most, recorded.count(from));
      series[name] = recorded.points(points, from);
    }
    return { valuesPerPoint: Math.max(1, Math.ceil(most / points)), series };
  }

  #push(name: string, step: number, value: number): void {
    let series = this.#series.get(name);
    if (series === undefined) {
      if (this.#series.size >= MAX_SERIES) return;
      series = new RecordedSeries();
      this.#series.set(name, series);
    }
    series.push(step, value);
  }
}

/** The course of a training: what its curves and its heatmap show. */
import { gini, minMax } from '@lpr/metrics';
import type { Step } from './training.ts';

/** Steps that loads are added up over: a batch is small, and chance alone makes its loads uneven. */
export const WINDOW = 16;
/** How much of the smoothed loss stays at each step. */
const SMOOTHING = 0.9;

export interface Loads {
  /** Load of each expert over the even share, `[layers][M]`. */
  readonly relative: readonly (readonly number[])[];
  /** Means over layers. */
  readonly gini: number;
  readonly minMax: number;
  /** The largest of all layers. */
  readonly most: number;
  /** Experts of all layers without any token. */
  readonly idle: number;
}

export class Progress {
  /** One a step. */
  readonly losses: number[] = [];
  readonly smoothed: number[] = [];
  readonly ginis: number[] = [];
  #recent: Step[] = [];
  #loads: Loads | null = null;
  #weighted = 0;

  get steps(): number {
    return this.losses.length;
  }

  /** Over the last `WINDOW` steps; null before the first. */
  get loads(): Loads | null {
    return this.#loads;
  }

  add(step: Step): void {
    this.#recent = [...this.#recent, step].slice(-WINDOW);
    this.#loads = loadsOf(this.#recent);
    this.#weighted = SMOOTHING * this.#weighted + (1 - SMOOTHING) * step.loss;
    this.losses.push(step.loss);
    // Without the divisor, the first values would be drawn towards 0.
    this.smoothed.push(this.#weighted / (1 - SMOOTHING ** this.losses.length));
    this.ginis.push(this.#loads.gini);
  }
}

function loadsOf(steps: readonly Step[]): Loads {
  const layers = steps[0]!.counts.map((counts, layer) =>
    Float64Array.from(counts, (_, expert) => steps.reduce((sum, step) => sum + step.counts[layer]![expert]!, 0)),
  );
  const relative = layers.map((counts) => {
    const even = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    return Array.from(counts, (count) => count / even);
  });
  const mean = (measure: (counts: Float64Array) => number): number =>
    layers.reduce((sum, counts) => sum + measure(counts), 0) / layers.length;
  return {
    relative,
    gini: mean(gini),
    minMax: mean(minMax),
    most: Math.max(...relative.flat()),
    idle: relative.flat().filter((load) => load === 0).length,
  };
}

/**
 * The moving averages that the code released with the LPR paper reports instead of exact counts. Only for comparing
 * with its figures: an average of decay 0.99 makes a dead expert fade as `0.99^n` rather than count as dead, which is
 * where min-max values such as 1e-16 come from.
 */
import { type Counts, checkCounts } from './balance.ts';

/** Exponential moving averages of one layer's loads, starting at 0, and the running variance of its gate mass. */
export class EmaLoadTracker {
  /** Average of the hard loads `[experts]`: how many tokens chose an expert. */
  readonly hard: Float64Array;
  /** Average of the soft loads `[experts]`: the sum of the gate weights that an expert got. */
  readonly soft: Float64Array;
  private readonly decay: number;
  private readonly softMean: Float64Array;
  private readonly softSquares: Float64Array;
  private updates = 0;

  /** @param decay share of the old average that one update keeps, from 0 to below 1; the released code has 0.99. */
  constructor(experts: number, decay: number = 0.99) {
    if (!(decay >= 0 && decay < 1)) throw new RangeError(`decay is ${decay}; it must be at least 0 and below 1`);
    this.decay = decay;
    this.hard = new Float64Array(experts);
    this.soft = new Float64Array(experts);
    this.softMean = new Float64Array(experts);
    this.softSquares = new Float64Array(experts);
  }

  /** Takes in the loads `[experts]` of one batch. */
  update(hard: Counts, soft: Counts): void {
    for (const [name, loads] of Object.entries({ hard, soft })) {
      checkCounts(loads, name);
      if (loads.length !== this.hard.length) {
        throw new RangeError(`${name} has ${loads.length} entries; there are ${this.hard.length} experts`);
      }
    }
    this.updates++;
    for (let expert = 0; expert < this.hard.length; expert++) {
      this.hard[expert] = this.decay * this.hard[expert]! + (1 - this.decay) * hard[expert]!;
      this.soft[expert] = this.decay * this.soft[expert]! + (1 - this.decay) * soft[expert]!;
      const delta = soft[expert]! - this.softMean[expert]!;
      this.softMean[expert]! += delta / this.updates;
      this.softSquares[expert]! += delta * (soft[expert]! - this.softMean[expert]!);
    }
  }

  /**
   * Variance of the soft load over the updates so far (Welford's algorithm), averaged over experts; 0 before the first.
   * The released code divides by its counter before counting, so its own figure is not finite.
   */
  variance(): number {
    let sum = 0;
    for (const squares of this.softSquares) sum += squares / Math.max(1, this.updates);
    return sum / this.softSquares.length;
  }
}

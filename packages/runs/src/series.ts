/** One recorded number over the steps, growing at its end, and what a page needs of it. */

export interface Series {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

export class RecordedSeries {
  #steps: Float64Array<ArrayBuffer> = new Float64Array(64);
  #values: Float64Array<ArrayBuffer> = new Float64Array(64);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** The newest value; null where there is none. */
  get last(): number | null {
    return this.#length === 0 ? null : this.#values[this.#length - 1]!;
  }

  /** Adds a value. Where steps go back, as after a resumption, the later ones hold. */
  push(step: number, value: number): void {
    while (this.#length > 0 && this.#steps[this.#length - 1]! >= step) this.#length--;
    if (this.#length === this.#steps.length) {
      this.#steps = grown(this.#steps);
      this.#values = grown(this.#values);
    }
    this.#steps[this.#length] = step;
    this.#values[this.#length] = value;
    this.#length++;
  }

  /** How many values there are from a step on. */
  count(from: number): number {
    return this.#length - this.#indexOf(from);
  }

  /**
   * At most `points` points from a step on: every value, or means over equal numbers of neighbours, each at the mean of
   * their steps.
   */
  points(points: number, from: number = -Infinity): Series {
    const start = this.#indexOf(from);
    const end = this.#length;
    const perPoint = Math.max(1, Math.ceil((end - start) / points));
    const steps: number[] = [];
    const values: number[] = [];
    for (let first = start; first < end; first += perPoint) {
      const after = Math.min(first + perPoint, end);
      let step = 0;
      let value = 0;
      for (let i = first; i < after; i++) {
        step += this.#steps[i]!;
        value += this.#values[i]!;
      }
      steps.push(step / (after - first));
      values.push(value / (after - first));
    }
    return { steps, values };
  }

  #indexOf(step: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#steps[middle]! < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function grown(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(values.length * 2);
  larger.set(values);
  return larger;
}

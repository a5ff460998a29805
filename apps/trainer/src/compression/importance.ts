/** What experts are worth on a text: how much of what their layer adds up is theirs. */
import type { RoutedBatch } from '@lpr/train';

export class ExpertImportance {
  /** Weights of each expert of each layer, summed over tokens. */
  readonly #sums: readonly Float64Array[];

  /** @param experts of each layer that has any */
  constructor(experts: readonly number[]) {
    this.#sums = experts.map((count) => new Float64Array(count));
  }

  add({ layers }: Pick<RoutedBatch, 'layers'>): void {
    layers.forEach(({ experts, weights }, layer) => {
      const sums = this.#sums[layer]!;
      experts.forEach((expert, slot) => {
        if (expert < sums.length) sums[expert]! += weights[slot]!;
      });
    });
  }

  /** Of each layer, `[experts]`; they sum to 1, where any expert got anything. */
  shares(): number[][] {
    return this.#sums.map((sums) => {
      const total = sums.reduce((a, b) => a + b, 0);
      return Array.from(sums, (sum) => (total === 0 ? 0 : sum / total));
    });
  }
}

/** The keys and values of tokens that a decoder has already read, so that the next token costs a single row of work. */
import { concatenate, keep, slice, type Tensor } from '@lpr/tensor';

export interface KeysAndValues {
  /** `[batch, positions, keyHeads, headDim]`, turned by their positions. */
  readonly keys: Tensor;
  /** `[batch, positions, keyHeads, valueDim]`. */
  readonly values: Tensor;
}

/**
 * Starts empty; each call of a decoder with it adds the tokens of that call, for all layers. It lives until it is
 * disposed. After a call that threw it is of no more use.
 */
export class KeyValueCache {
  readonly #layers: KeysAndValues[] = [];
  #lastIds: Tensor | null = null;

  /** Tokens of each sequence that are remembered. */
  get length(): number {
    return this.#layers[0]?.keys.shape[1] ?? 0;
  }

  /** i32 `[batch, 1]`: the last token of each sequence; null while it is empty. */
  get lastIds(): Tensor | null {
    return this.#lastIds;
  }

  /** Remembers the last of i32 `[batch, sequence]`. */
  endWith(inputIds: Tensor): void {
    const sequence = inputIds.shape[1]!;
    this.#lastIds?.dispose();
    this.#lastIds = keep(slice(inputIds, 1, sequence - 1, sequence));
  }

  /** Adds the keys and values of further tokens of a layer, along axis 1. Gives those of all tokens. */
  extend(layer: number, keys: Tensor, values: Tensor): KeysAndValues {
    const before = this.#layers[layer];
    const all =
      before === undefined
        ? { keys, values }
        : { keys: concatenate([before.keys, keys], 1), values: concatenate([before.values, values], 1) };
    this.#layers[layer] = { keys: keep(all.keys), values: keep(all.values) };
    before?.keys.dispose();
    before?.values.dispose();
    return all;
  }

  /** Frees what it remembers. */
  dispose(): void {
    for (const { keys, values } of this.#layers.splice(0)) {
      keys.dispose();
      values.dispose();
    }
    this.#lastIds?.dispose();
    this.#lastIds = null;
  }
}

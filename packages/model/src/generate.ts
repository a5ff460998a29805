/** Generation: one token after the other, each drawn from the logits of those before it. */
import { RandomKey, scope, tensor } from '@lpr/tensor';
import type { Decoder } from './decoder.ts';
import { KeyValueCache } from './layers/key-value-cache.ts';
import { checkSampling, sampleToken, type SamplingOptions } from './sampling.ts';

export interface GenerateOptions extends SamplingOptions {
  readonly maxNewTokens: number;
  /** Of the draws; 0 unless given. */
  readonly seed?: number;
  /** Only ids below this are drawn, where the tokenizer has fewer than the model has rows; all unless given. */
  readonly vocabulary?: number;
  /** Tokens that end the text; they are not given. */
  readonly stopTokens?: Iterable<number>;
}

/**
 * Continues a prompt of token ids, greedily unless a temperature is given. Keys and values of earlier tokens are
 * remembered, and freed when the loop over the tokens ends, however it ends. Routers whose choice depends on other
 * tokens (expert choice) see only the new one, so they choose otherwise than in a whole sequence.
 *
 * @throws RangeError when prompt and new tokens do not fit into `max_position_embeddings`, or an option is out of its
 *   range.
 */
export async function* generate(
  decoder: Decoder,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): AsyncGenerator<number, void, undefined> {
  const { device, plan } = decoder;
  const { maxNewTokens, seed = 0, vocabulary = plan.vocabulary } = options;
  checkSampling(options);
  // The last token is never read.
  if (!(prompt.length >= 1 && prompt.length + maxNewTokens - 1 <= plan.positions)) {
    throw new RangeError(
      `generate: a prompt of ${prompt.length} and ${maxNewTokens} new tokens; expected a prompt of at least 1, and together at most ` +
        `${plan.positions + 1} (max_position_embeddings + 1)`,
    );
  }
  const stop = new Set(options.stopTokens);
  const key = RandomKey.fromSeed(seed).fold('generate');
  const cache = new KeyValueCache();
  try {
    let input = Int32Array.from(prompt);
    for (let step = 0; step < maxNewTokens; step++) {
      const logits = scope(device, () => decoder.nextLogits(tensor(device, input, [1, input.length]), cache));
      const values = (await logits.data()).subarray(0, vocabulary);
      logits.dispose();
      const token = sampleToken(values, options, key.fold(step).low / 2 ** 32);
      if (stop.has(token)) return;
      yield token;
      input = Int32Array.of(token);
    }
  } finally {
    cache.dispose();
  }
}

import { routerTraits } from '@lpr/moe';
import { createWasmDevice, scope, tensor } from '@lpr/tensor';
import * as fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  createDecoder,
  type Decoder,
  generate,
  type GenerateOptions,
  KeyValueCache,
  sampleToken,
} from '../src/index.ts';
import { familyConfig, methods, routerKeys } from './support.ts';

const device = await createWasmDevice({ threads: 2 });
afterAll(() => device.dispose());

const families = ['qwen3_moe', 'mixtral', 'deepseek_v3'] as const;

/** What the token before was must be remembered too. */
const PRECEDING = { router_type: 'lpr', lpr_formulation: 'tokens', lpr_options: { precedingLatents: true } };

async function collect(decoder: Decoder, prompt: readonly number[], options: GenerateOptions): Promise<number[]> {
  const tokens: number[] = [];
  for await (const token of generate(decoder, prompt, options)) tokens.push(token);
  return tokens;
}

/** Logits of whole sequences, cut where the caller says, each part with the cache of those before it. */
async function inParts(decoder: Decoder, ids: Int32Array, batch: number, cuts: readonly number[]): Promise<number[][]> {
  const sequence = ids.length / batch;
  const cache = new KeyValueCache();
  const rows: number[][] = Array.from({ length: ids.length }, () => []);
  for (const [i, begin] of cuts.entries()) {
    const end = cuts[i + 1] ?? sequence;
    const part = Array.from({ length: batch }, (_, b) => [...ids.subarray(b * sequence + begin, b * sequence + end)]);
    const logits = await scope(device, () =>
      decoder.logits(tensor(device, part.flat(), [batch, end - begin], 'i32'), { training: false }, cache).data(),
    );
    const width = decoder.config.vocab_size;
    for (let row = 0; row < batch * (end - begin); row++) {
      const b = Math.floor(row / (end - begin));
      rows[b * sequence + begin + (row % (end - begin))] = [...logits.subarray(row * width, (row + 1) * width)];
    }
    expect(cache.length).toBe(end);
  }
  cache.dispose();
  return rows;
}

describe('a key-value cache', () => {
  it.each([
    ...families.flatMap((family) => [[family, {}] as const, [family, { router_type: 'lpr' }] as const]),
    ...families.map((family) => [family, PRECEDING] as const),
    // With methods that look at other tokens, it matters how many run at once.
    ...methods
      .filter((options) => routerTraits(options).reads.evaluation === 'token')
      .map((options) => ['qwen3_moe', routerKeys(options, 2)] as const),
  ])('of %s with %j gives the logits of the whole forward pass', async (family, router) => {
    const decoder = createDecoder(device, familyConfig(family, router), { seed: 8 });
    const before = device.memory.liveBuffers;
    const [batch, sequence] = [2, 12];
    const ids = Int32Array.from({ length: batch * sequence }, (_, i) => (i * 17) % 61);
    const whole = await inParts(decoder, ids, batch, [0]);
    for (const cuts of [
      [0, 5, 6, 7, 8, 11],
      [0, 1, 4],
    ]) {
      const parts = await inParts(decoder, ids, batch, cuts);
      const worst = Math.max(...parts.flatMap((row, t) => row.map((x, i) => Math.abs(x - whole[t]![i]!))));
      expect(worst).toBeLessThan(2e-6);
    }
    // The rotary tables stay with the decoder.
    expect(device.memory.liveBuffers - before).toBeLessThanOrEqual(2);
    decoder.dispose();
  });

  it('says when it is full', async () => {
    const decoder = createDecoder(device, familyConfig('mixtral'), { seed: 0 });
    const cache = new KeyValueCache();
    scope(device, () => {
      decoder.nextLogits(tensor(device, new Int32Array(30), [1, 30]), cache);
      expect(() => decoder.nextLogits(tensor(device, new Int32Array(3), [1, 3]), cache)).toThrow(
        'a sequence of 1 to 2 (max_position_embeddings less what the cache holds), got [1, 3]',
      );
    });
    cache.dispose();
    decoder.dispose();
  });
});

describe('generate', () => {
  it.each(families)(
    'with %s takes the most probable token of the whole forward pass, and frees what it took',
    async (family) => {
      const decoder = createDecoder(device, familyConfig(family, { router_type: 'lpr' }), { seed: 9 });
      const prompt = [3, 1, 4, 1, 5];
      const expected: number[] = [];
      for (let i = 0; i < 8; i++) {
        const ids = Int32Array.from([...prompt, ...expected]);
        const logits = (await inParts(decoder, ids, 1, [0])).at(-1)!;
        expected.push(logits.indexOf(Math.max(...logits)));
      }
      const before = device.memory.liveBuffers;
      expect(await collect(decoder, prompt, { maxNewTokens: 8 })).toEqual(expected);
      expect(device.memory.liveBuffers).toBe(before);
      decoder.dispose();
    },
  );

  it('draws no id that the tokenizer does not have', async () => {
    const decoder = createDecoder(device, familyConfig('mixtral'), { seed: 9 });
    const options = { maxNewTokens: 20, temperature: 1 };
    // 61 rows, and logits of a fresh model hardly differ.
    expect(Math.max(...(await collect(decoder, [3], options)))).toBeGreaterThan(9);
    const tokens = await collect(decoder, [3], { ...options, vocabulary: 10 });
    expect(Math.max(...tokens)).toBeLessThan(10);
    expect(tokens).toHaveLength(20);
    decoder.dispose();
  });

  it('repeats itself with a seed, differs with another, and may be left at any token', async () => {
    const decoder = createDecoder(device, familyConfig('qwen3_moe'), { seed: 9 });
    const options = { maxNewTokens: 12, temperature: 1 };
    const first = await collect(decoder, [1, 2], { ...options, seed: 5 });
    expect(first).toHaveLength(12);
    expect(await collect(decoder, [1, 2], { ...options, seed: 5 })).toEqual(first);
    expect(await collect(decoder, [1, 2], { ...options, seed: 6 })).not.toEqual(first);
    const stop = first[4]!;
    const before = device.memory.liveBuffers;
    const stopped = await collect(decoder, [1, 2], { ...options, seed: 5, stopTokens: [stop] });
    expect(stopped).toEqual(first.slice(0, first.indexOf(stop)));
    for await (const token of generate(decoder, [1, 2], { ...options, seed: 5 })) {
      expect(token).toBe(first[0]);
      break;
    }
    expect(device.memory.liveBuffers).toBe(before);
    decoder.dispose();
  });

  it('says what is wrong with its input', async () => {
    const decoder = createDecoder(device, familyConfig('qwen3_moe'), { seed: 9 });
    await expect(collect(decoder, [], { maxNewTokens: 1 })).rejects.toThrow('a prompt of 0 and 1 new tokens');
    await expect(collect(decoder, [1, 2, 3], { maxNewTokens: 31 })).rejects.toThrow('together at most 33');
    expect(await collect(decoder, [1, 2, 3], { maxNewTokens: 30 })).toHaveLength(30);
    for (const [options, message] of [
      [{ temperature: -1 }, 'temperature must be a finite number of at least 0, got -1'],
      [{ temperature: 1, topK: 0 }, 'topK must be a whole number of at least 1, got 0'],
      [{ temperature: 1, topP: 1.5 }, 'topP must be above 0 and at most 1, got 1.5'],
    ] as const) {
      await expect(collect(decoder, [1], { maxNewTokens: 1, ...options })).rejects.toThrow(message);
    }
    decoder.dispose();
  });
});

describe('sampleToken', () => {
  /** Probabilities by the definition: of what topK and topP leave of a softmax. */
  function probabilities(logits: readonly number[], temperature: number, topK: number, topP: number): number[] {
    const order = logits.map((_, i) => i).sort((a, b) => logits[b]! - logits[a]! || a - b);
    const left = order.slice(0, topK);
    const masses = left.map((i) => Math.exp(logits[i]! / temperature));
    const total = masses.reduce((a, b) => a + b, 0);
    const nucleus: number[] = [];
    for (const [rank, token] of left.entries()) {
      const before = masses.slice(0, rank).reduce((a, b) => a + b, 0);
      if (rank === 0 || before < topP * total) nucleus.push(token);
    }
    const kept = nucleus.reduce((sum, token) => sum + Math.exp(logits[token]! / temperature), 0);
    return logits.map((x, i) => (nucleus.includes(i) ? Math.exp(x / temperature) / kept : 0));
  }

  it('draws each token as often as its probability says', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 1, maxLength: 8 }),
        fc.double({ min: 0.3, max: 3, noNaN: true }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(0.1, 0.35, 0.6, 0.9, 1),
        (logits, temperature, topK, topP) => {
          const counts = logits.map(() => 0);
          const draws = 2000;
          for (let i = 0; i < draws; i++) {
            counts[sampleToken(logits, { temperature, topK, topP }, (i + 0.5) / draws)]! += 1;
          }
          const expected = probabilities(logits, temperature, topK, topP);
          for (const [token, count] of counts.entries()) {
            expect(Math.abs(count / draws - expected[token]!)).toBeLessThan(2 / draws);
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('without a temperature takes the first of the largest logits', () => {
    expect(sampleToken([1, 3, 3, 2], {}, 0.99)).toBe(1);
    expect(sampleToken([1, 3, 3, 2], { temperature: 1, topK: 1 }, 0.99)).toBe(1);
  });

  it('refuses logits that are not finite', () => {
    expect(() => sampleToken([NaN, NaN], { temperature: 1 }, 0)).toThrow('the largest of 2 logits is NaN');
    for (const logits of [
      [0, NaN],
      [NaN, 0],
      [9, NaN, 1],
      [9, NaN, 10],
    ]) {
      for (const temperature of [0, 1])
        expect(() => sampleToken(logits, { temperature, topK: 1 }, 0)).toThrow(/the largest of [23] logits is NaN/);
    }
    expect(sampleToken([-Infinity, 0], { temperature: 1 }, 0)).toBe(1);
  });
});

/** The two models: alike but for their routers, and the same again for the same seed. */
import { createWasmDevice, type WasmDevice } from '@lpr/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addresses } from '../scripts/addresses.ts';
import { type Corpus, readCorpus } from '../src/corpus.ts';
import { BATCH, SEQUENCE, type Side } from '../src/model.ts';
import { choicesOf, DEFAULT_STATE, type Settings } from '../src/settings.ts';
import { type Step, Training } from '../src/training.ts';

const SAMPLE = 'The peace of the world.';
const small: Settings = { ...DEFAULT_STATE.settings, experts: 8 };

describe('the models', () => {
  let device: WasmDevice;
  let corpus: Corpus;
  beforeAll(async () => {
    device = await createWasmDevice({ threads: 0 });
    corpus = readCorpus(addresses().slice(0, 20_000));
  });
  afterAll(() => device.dispose());

  async function stepsOf(settings: Settings, side: Side, steps: number, look = false): Promise<Step[]> {
    const training = new Training(device, corpus, settings, side);
    const taken: Step[] = [];
    for (let i = 0; i < steps; i++) {
      taken.push(await training.step());
      if (look) await training.look(SAMPLE);
    }
    training.dispose();
    return taken;
  }

  it.each(choicesOf('architecture'))('of %s start with the same weights but for the router’s', async (architecture) => {
    const [lpr, own] = (['lpr', 'own'] as const).map(
      (side) => new Training(device, corpus, { ...small, architecture }, side),
    );
    const shared = [...lpr!.decoder.parameters].filter(([name]) => own!.decoder.parameters.has(name));
    const apart = [...lpr!.decoder.parameters.keys()].filter((name) => !own!.decoder.parameters.has(name));
    expect(apart.every((name) => name.includes('.gate.'))).toBe(true);
    expect(shared.length).toBeGreaterThan(10);
    for (const [name, tensor] of shared) {
      expect(await tensor.data(), name).toEqual(await own!.decoder.parameters.get(name)!.data());
    }
    lpr!.dispose();
    own!.dispose();
  });

  it.each(['lpr', 'own'] as const)('give the same curve for the same seed, looked at or not: %s', async (side) => {
    const steps = await stepsOf(small, side, 4);
    expect(await stepsOf(small, side, 4, true)).toEqual(steps);
    expect(await stepsOf({ ...small, seed: 1 }, side, 4)).not.toEqual(steps);
  });

  it('learn, and count every choice', async () => {
    const settings = { ...small, topK: 4, layers: 3 };
    for (const side of ['lpr', 'own'] as const) {
      const steps = await stepsOf(settings, side, 25);
      expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: 25 }, (_, i) => i + 1));
      expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss - 0.4);
      for (const { counts } of steps) {
        expect(counts).toHaveLength(3);
        for (const layer of counts) expect(layer.reduce((sum, count) => sum + count, 0)).toBe(4 * BATCH * SEQUENCE);
      }
    }
  });

  it('read the switches of LPR and of the own router', async () => {
    for (const [side, changes] of [
      ['lpr', { temperature: 16 }],
      ['lpr', { biasRate: 0 }],
      ['lpr', { diversity: 8 }],
      ['own', { auxiliaryLoss: 0.1 }],
    ] as const) {
      const losses = (steps: readonly Step[]): number[] => steps.map(({ loss }) => loss);
      const [usual, changed] = [await stepsOf(small, side, 3), await stepsOf({ ...small, ...changes }, side, 3)];
      expect(losses(changed), JSON.stringify(changes)).not.toEqual(losses(usual));
    }
  });

  it('show how each token of a sample is routed', async () => {
    const { liveBuffers } = device.memory;
    for (const architecture of choicesOf('architecture')) {
      for (const side of ['lpr', 'own'] as const) {
        const training = new Training(device, corpus, { ...small, architecture }, side);
        const { step, sample, cut, layers } = await training.look(SAMPLE);
        expect(step).toBe(0);
        expect(sample.join('')).toBe(SAMPLE);
        expect(cut).toBe(0);
        expect(layers).toHaveLength(2);
        const tokens = sample.length + 4 * SEQUENCE;
        for (const layer of layers) {
          expect(layer.tokens).toHaveLength(2 * tokens);
          expect(layer.keys).toHaveLength(2 * 8);
          expect(layer.experts).toHaveLength(2 * tokens);
          for (let token = 0; token < tokens; token++) {
            const [first, second] = layer.experts.subarray(2 * token, 2 * token + 2);
            expect(first).not.toBe(second);
            expect(layer.weights[2 * token]! + layer.weights[2 * token + 1]!).toBeCloseTo(1, 5);
          }
        }
        training.dispose();
      }
    }
    expect(device.memory.liveBuffers).toBe(liveBuffers);
  });

  it('cut a sample at what they see at a time', async () => {
    const training = new Training(device, corpus, small, 'lpr');
    const { sample, cut } = await training.look('7'.repeat(SEQUENCE + 5));
    expect([sample.length, cut]).toEqual([SEQUENCE, 5]);
    training.dispose();
  });
});

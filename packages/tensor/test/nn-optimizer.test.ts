/** AdamW over the parameters of a model: who is updated, who decays, and going on from an exported state. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parameter, tensor } from '../src/creation.ts';
import { createWasmDevice, type WasmDevice } from '../src/devices/wasm/index.ts';
import { AdamW } from '../src/nn/index.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1 });
});
afterAll(async () => await device.dispose());

describe('AdamW', () => {
  it('leaves parameters without a gradient alone, and says when none has one', async () => {
    const used = parameter(device, [1, 2], [2]);
    const unused = parameter(device, [3, 4], [2]);
    const optimizer = new AdamW(
      device,
      new Map([
        ['used', used],
        ['unused', unused],
      ]),
    );
    expect(() => optimizer.step(0.1)).toThrow(/no parameter has a gradient/);
    used.grad = tensor(device, [1, 0]);
    optimizer.step(0.1).dispose();
    expect(Array.from(await unused.data())).toEqual([3, 4]);
    const [moved, decayed] = await used.data();
    // The first step moves by the learning rate against the gradient's sign, after the decay of 0.1 x 0.1.
    expect(moved).toBeCloseTo(0.99 - 0.1, 5);
    expect(decayed).toBeCloseTo(1.98, 6);
  });

  it('decays each parameter as the first group that names it says', async () => {
    const values = new Map(
      ['layers.0.norm.weight', 'layers.0.gate.bias', 'layers.0.gate.weight', 'layersX0.gate'].map((name) => [
        name,
        parameter(device, [8], [1]),
      ]),
    );
    const optimizer = new AdamW(device, values, {
      weightDecay: 0.5,
      weightDecayGroups: [
        { names: ['*norm.weight', '*.bias'], weightDecay: 0 },
        { names: ['layers.0.*'], weightDecay: 0.25 },
      ],
    });
    // Without a gradient to speak of, all that a step does is to decay: p (1 - lr * decay).
    for (const value of values.values()) value.grad = tensor(device, [0]);
    optimizer.step(1).dispose();
    const after = await Promise.all(Array.from(values.values(), (value) => value.item()));
    expect(after).toEqual([8, 8, 6, 4]);
    expect(() => new AdamW(device, values, { weightDecayGroups: [{ names: ['*nrom*'], weightDecay: 0 }] })).toThrow(
      /no parameter has one of the names \*nrom\*.*layers\.0\.norm\.weight/,
    );
    for (const value of values.values()) value.dispose();
    optimizer.dispose();
  });

  it('steps each parameter at so many times the learning rate as the first group that names it says', async () => {
    const start = [8, -3];
    const gradient = [0.3, -2];
    const factors = { 'a.gate.weight': 0.25, 'a.gate.keys': 0, 'a.up.weight': 1 };
    const values = new Map(Object.keys(factors).map((name) => [name, parameter(device, start, [2])]));
    const options = { weightDecay: 0.5, clipNorm: 1e9 };
    const learningRateGroups = [
      { names: ['*.keys'], factor: 0 },
      { names: ['*.gate.*'], factor: 0.25 },
    ];
    const optimizer = new AdamW(device, values, { ...options, learningRateGroups });
    for (let step = 0; step < 3; step++) {
      for (const value of values.values()) value.grad = tensor(device, gradient);
      optimizer.step(0.1).dispose();
    }
    // Each is where an optimiser of its own with that learning rate would bring it.
    for (const [name, factor] of Object.entries(factors)) {
      const alone = parameter(device, start, [2]);
      const own = new AdamW(device, new Map([[name, alone]]), options);
      for (let step = 0; step < 3; step++) {
        alone.grad = tensor(device, gradient);
        own.step(factor * 0.1).dispose();
      }
      expect(await values.get(name)!.data(), name).toEqual(await alone.data());
      alone.dispose();
      own.dispose();
    }
    expect(Array.from(await values.get('a.gate.keys')!.data())).toEqual(start);
    expect(() => new AdamW(device, values, { learningRateGroups: [{ names: ['*.gates.*', 'b'], factor: 1 }] })).toThrow(
      /no parameter has one of the names \*\.gates\.\*, b of a learning rate group; there are a\.gate\.weight/,
    );
    for (const value of values.values()) value.dispose();
    optimizer.dispose();
  });

  it('refuses options that it cannot step with, by name', () => {
    const make = (options: object) => (): void => {
      const leaf = parameter(device, [1], [1]);
      try {
        new AdamW(device, new Map([['leaf', leaf]]), options).dispose();
      } finally {
        leaf.dispose();
      }
    };
    const beta = 'at least 0 and below 1 as f32';
    const above = 'finite and above 0 as f32';
    const decay = 'a finite number of at least 0';
    const group = (weightDecay: unknown): object => ({ weightDecayGroups: [{ names: ['leaf'], weightDecay }] });
    for (const [options, message] of [
      [{ beta1: 1 }, `beta1 must be ${beta}, got 1`],
      [{ beta1: -0.1 }, `beta1 must be ${beta}, got -0.1`],
      [{ beta2: 1 - 1e-9 }, `beta2 must be ${beta}, got 0.999999999`],
      [{ beta2: '0.9' }, `beta2 must be ${beta}, got 0.9`],
      [{ epsilon: 0 }, `epsilon must be ${above}, got 0`],
      [{ epsilon: 1e-38 }, `epsilon must be ${above}, got 1e-38`],
      [{ clipNorm: -1 }, `clipNorm must be ${above}, got -1`],
      [{ clipNorm: 1e39 }, `clipNorm must be ${above}, got 1e+39`],
      [{ clipNorm: undefined }, `clipNorm must be ${above}, got undefined`],
      [{ weightDecay: -1e-9 }, `weightDecay must be ${decay}, got -1e-9`],
      [{ weightDecay: Infinity }, `weightDecay must be ${decay}, got Infinity`],
      [group(Number.NaN), `weightDecayGroups[0].weightDecay must be ${decay}, got NaN`],
      [
        { learningRateGroups: [{ names: ['leaf'], factor: -0.1 }] },
        `learningRateGroups[0].factor must be ${decay}, got -0.1`,
      ],
      [{ moments: 'fp8' }, 'moments must be one of float32, bfloat16, got fp8'],
    ] as const) {
      expect(make(options)).toThrow(new RangeError(`AdamW: ${message}`));
    }
    for (const options of [
      { beta1: 0, beta2: 0, weightDecay: 0, ...group(0) },
      { beta1: 0.9999, beta2: 0.99999, epsilon: 2 ** -126, clipNorm: 1e38, moments: 'bfloat16' },
    ]) {
      expect(make(options)).not.toThrow();
    }
  });

  it('goes on bit for bit from an exported state', async () => {
    const run = async (interrupted: boolean): Promise<number[]> => {
      const leaf = parameter(device, [1, -1, 0.5], [3]);
      let optimizer = new AdamW(device, new Map([['leaf', leaf]]));
      for (let step = 0; step < 6; step++) {
        if (interrupted && step === 3) {
          const moments = await optimizer.exportState();
          optimizer = new AdamW(device, new Map([['leaf', leaf]]));
          await optimizer.importState(moments.keys(), (name) => moments.get(name)!.data, 3);
        }
        leaf.grad = tensor(device, [0.3, -2, 0.01]);
        optimizer.step(0.01).dispose();
      }
      return Array.from(await leaf.data());
    };
    expect(await run(true)).toEqual(await run(false));
  });

  it('refuses a state of another model, naming what does not fit', async () => {
    const optimizer = new AdamW(device, new Map([['a', parameter(device, [1], [1])]]));
    const moments = await new AdamW(device, new Map([['b', parameter(device, [1], [1])]])).exportState();
    await expect(optimizer.importState(moments.keys(), (name) => moments.get(name)!.data, 1)).rejects.toThrow(
      /missing: a\.firstMoment.*unknown: b\.firstMoment/,
    );
  });
});

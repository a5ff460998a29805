/** A layer as a module: a training step of it is whole, and where its end is left out that is said. */
import { AdamW, Training } from '@lpr/tensor/nn';
import { backward, mean, randomNormal, scope, square, type Tensor } from '@lpr/tensor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  createMoeLayer,
  mergeStatistics,
  type MoeLayer,
  resolveRouter,
  statisticsOf,
  totalLoss,
} from '../src/index.ts';
import { device, key } from './support.ts';

const shape = { hidden: 6, experts: 4, topK: 2, width: 5 };
const lpr = resolveRouter('latentPrototype', { latentDim: 4 });
const tokensOf = (step: number): Tensor => randomNormal(device, [20, 6], key.fold(step));
const bias = (layer: MoeLayer): Promise<Float32Array> => layer.buffers.get('gate.selection_bias')!.dataF32();

/** The device is shared by the files of a worker. */
let before: number;
beforeEach(() => {
  before = device.memory.liveBuffers;
});
afterEach(() => {
  vi.restoreAllMocks();
  if (device.memory.liveBuffers !== before) throw new Error('memory stayed taken');
});

/** The loss of a layer on the tokens of a step. */
function lossOf(layer: MoeLayer, step: number): Tensor {
  const { output, routing } = layer.forward(tokensOf(step), { training: true, noise: key });
  return totalLoss(mean(square(output)), routing.losses);
}

describe('MoeLayer', () => {
  it('names its tensors by their part', () => {
    const layer = createMoeLayer(device, lpr, shape, key);
    expect([...layer.parameters.keys()]).toEqual([
      ...[...layer.router.parameters.keys()].map((name) => `gate.${name}`),
      'experts.gate_up_proj',
      'experts.down_proj',
    ]);
    expect([...layer.buffers.keys()]).toEqual(['gate.selection_bias']);
    layer.dispose();
  });

  it('balances its load in whole steps, as an update by hand from the statistics of the step does', async () => {
    const warn = vi.spyOn(console, 'warn');
    const layers = [createMoeLayer(device, lpr, shape, key), createMoeLayer(device, lpr, shape, key)] as const;
    const training = new Training(device, { layer: layers[0] });
    const byHand = new AdamW(device, layers[1].parameters);
    for (let step = 0; step < 3; step++) {
      await training.step(0.01, () => lossOf(layers[0], step));
      await scope(device, () => {
        const { output, routing } = layers[1].forward(tokensOf(step), { training: true, noise: key });
        const loss = totalLoss(mean(square(output)), routing.losses);
        backward(loss);
        byHand.step(0.01);
        layers[1].afterStep(statisticsOf(routing));
        return loss.item();
      });
    }
    expect(await bias(layers[0])).toEqual(await bias(layers[1]));
    expect((await bias(layers[0])).some((value) => value !== 0)).toBe(true);
    expect(warn).toHaveBeenCalledTimes(0);
    for (const each of [training, byHand, ...layers]) each.dispose();
  });

  it('takes all tokens since the last step for one', async () => {
    const layers = [createMoeLayer(device, lpr, shape, key), createMoeLayer(device, lpr, shape, key)] as const;
    scope(device, () => {
      const routings = [0, 1].map((step) => {
        lossOf(layers[0], step);
        return layers[1].forward(tokensOf(step), { training: true, noise: key }).routing;
      });
      layers[0].afterStep();
      layers[1].afterStep(mergeStatistics(routings.map((routing) => [statisticsOf(routing)]))[0]);
    });
    expect(await bias(layers[0])).toEqual(await bias(layers[1]));
    for (const each of layers) each.dispose();
  });

  it('says once that the end of a step was left out, and only then', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const layer = createMoeLayer(device, lpr, shape, key);
    const optimizer = new AdamW(device, layer.parameters);
    const half = (step: number): void =>
      scope(device, () => {
        backward(lossOf(layer, step));
        optimizer.step(0.01);
      });
    // Passes without a step, in evaluation and in training, are nobody's fault.
    scope(device, () => [lossOf(layer, 0), layer.forward(tokensOf(1), { training: false }), lossOf(layer, 2)].length);
    half(0);
    expect(warn).not.toHaveBeenCalled();
    half(1);
    half(2);
    expect(warn).toHaveBeenCalledOnce();
    expect(warn.mock.calls[0]![0]).toContain('MoeLayer.afterStep was not called, so the selection bias stays as it is');
    expect(() => layer.afterStep()).toThrow('after the scope of the forward pass had ended');
    optimizer.dispose();
    layer.dispose();
  });

  it('has nothing to say where there is no bias', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    const layer = createMoeLayer(device, resolveRouter('topKSoftmax'), shape, key);
    const optimizer = new AdamW(device, layer.parameters);
    for (let step = 0; step < 3; step++) {
      scope(device, () => {
        backward(lossOf(layer, step));
        optimizer.step(0.01);
      });
    }
    expect(warn).not.toHaveBeenCalled();
    optimizer.dispose();
    layer.dispose();
  });
});

import { createWasmDevice } from '@lpr/tensor';
import { expect, it } from 'vitest';
import { makeDecoder, makeTrainer } from '../src/run/model.ts';
import { resolveSettings } from '../src/settings/resolve.ts';

it('trains with the learning rates and decays of groups that settings name', async () => {
  const device = await createWasmDevice({ threads: 0 });
  const settings = resolveSettings({
    ...{ preset: 'tiny', steps: 2, config: [] },
    set: [
      ...[
        'size.hidden=8',
        'size.layers=1',
        'size.experts=2',
        'size.topK=2',
        'data.batchSize=1',
        'data.sequenceLength=8',
      ],
      'training.learningRateGroups=[{names: ["*.gate.encoder.*"], factor: 0}, {names: ["*.gate.*"], factor: 0.5}]',
      ...['training.weightDecay=0', 'training.weightDecayGroups=[{names: ["*norm.weight"], weightDecay: 0.5}]'],
    ],
  });
  const decoder = makeDecoder(device, settings, 16);
  const read = async (): Promise<Map<string, number[]>> =>
    new Map(
      await Promise.all(
        Array.from(decoder.parameters, async ([name, each]) => [name, Array.from(await each.dataF32())] as const),
      ),
    );
  const before = await read();
  const trainer = makeTrainer(
    decoder,
    settings,
    Int32Array.from({ length: 200 }, (_, i) => (i * i) % 16),
  );
  await trainer.recordStep();
  const rate = trainer.learningRateAt(0);
  const after = await read();
  // The first step of AdamW moves by the learning rate, whatever the gradient, after the decay.
  for (const [name, values] of after) {
    const factor = /gate\.encoder/.test(name) ? 0 : name.includes('.gate.') ? 0.5 : 1;
    const kept = name.endsWith('norm.weight') ? 1 - 0.5 * factor * rate : 1;
    const moves = values.map((value, i) => Math.abs(value - kept * before.get(name)![i]!));
    expect(Math.max(...moves), name).toBeLessThan(1.01 * factor * rate + 1e-7);
    expect(Math.max(...moves), name).toBeGreaterThan(0.9 * factor * rate - 1e-7);
  }
  trainer.dispose();
  decoder.dispose();
  await device.dispose();
});

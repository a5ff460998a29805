/** Steps of AdamW on given gradients, and learning-rate schedules. */
import { createWasmDevice, parameter } from '@lpr/tensor';
import { AdamW } from '@lpr/tensor/nn';
import { learningRateFactor } from '@lpr/train';
import { afterAll, expect, it } from 'vitest';
import { casesOf, Comparison, type ScheduleInfo } from './fixtures.ts';
import { scheduleOf } from './schedules.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

interface Group {
  readonly names: readonly string[];
  readonly weight_decay: number;
}

it.for(casesOf('optimizer'))('%s', async ([, fixture]) => {
  const { info } = fixture;
  const { betas, eps, lr, weight_decay: weightDecay, clip_grad_norm: clipNorm } = info.optimizer;
  const groups = (info['groups'] ?? []) as readonly Group[];
  const parameters = new Map(
    fixture.names('in.param.').map((name) => {
      const { shape } = fixture.get(`in.param.${name}`);
      return [name, parameter(device, fixture.values(`in.param.${name}`), shape)];
    }),
  );
  const optimizer = new AdamW(device, parameters, {
    beta1: betas[0],
    beta2: betas[1],
    epsilon: eps,
    weightDecay,
    weightDecayGroups: groups.map(({ names, weight_decay }) => ({ names, weightDecay: weight_decay })),
    clipNorm,
  });
  const comparison = new Comparison(fixture);
  for (let step = 0; step < Number(info['steps']); step++) {
    for (const [name, leaf] of parameters) leaf.grad = fixture.tensor(device, `in.grad.${name}.${step}`);
    const norm = optimizer.step(lr * learningRateFactor(scheduleOf(info.schedule), step));
    comparison.close(`out.grad_norm.${step}`, [await norm.item()]);
    norm.dispose();
    const moments = await optimizer.exportState();
    for (const [name, leaf] of parameters) {
      comparison.close(`out.param.${name}.${step}`, await leaf.data());
      const before = step === 0 ? [] : fixture.values(`out.m.${name}.${step - 1}`);
      comparison.close(`out.m.${name}.${step}`, moments.get(`${name}.firstMoment`)!.data, before);
      comparison.close(`out.v.${name}.${step}`, moments.get(`${name}.secondMoment`)!.data);
      expect(leaf.grad).toBeNull();
    }
  }
  comparison.reportUncompared();
  expect(comparison.problems).toEqual([]);
  optimizer.dispose();
  for (const leaf of parameters.values()) leaf.dispose();
  expect(device.memory.liveBuffers).toBe(0);
});

it.for(casesOf('schedule'))('%s', ([, fixture]) => {
  const comparison = new Comparison(fixture);
  const runs = fixture.info['runs'] as Readonly<Record<string, ScheduleInfo>>;
  for (const [name, run] of Object.entries(runs)) {
    const { length } = fixture.values(`out.factor.${name}`);
    const factors = Array.from({ length }, (_, step) => learningRateFactor(scheduleOf(run), step));
    comparison.close(`out.factor.${name}`, factors);
  }
  comparison.reportUncompared();
  expect(comparison.problems).toEqual([]);
});

import { evaluationBatches } from '@lpr/data';
import { type Decoder, exportWeights } from '@lpr/model';
import { assign, createWasmDevice, type WasmDevice } from '@lpr/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../src/evaluate.ts';
import { DivergedError, type StepReport, type Trainer } from '../src/trainer.ts';
import { loads, makeDecoder, makeTrainer, tokens, vocabulary } from './models.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 2 });
});
afterAll(async () => await device.dispose());

async function take(trainer: Trainer, steps: number): Promise<StepReport[]> {
  return await Promise.all(Array.from({ length: steps }, () => trainer.recordStep()));
}

async function weightsOf(decoder: Decoder): Promise<Record<string, Float32Array>> {
  return Object.fromEntries(Array.from(await exportWeights(decoder), ([name, { data }]) => [name, data]));
}

describe.each(['vanilla', 'lpr'] as const)('training with the router %s', (router) => {
  it('lowers the loss, reports every term, counts every token', async () => {
    const decoder = makeDecoder(device, router);
    const trainer = makeTrainer(decoder);
    const reports = await take(trainer, 60);
    const mean = (from: number, to: number): number =>
      reports.slice(from, to).reduce((sum, { loss }) => sum + loss, 0) / (to - from);
    expect(mean(0, 2)).toBeCloseTo(Math.log(vocabulary), 1);
    expect(mean(50, 60)).toBeLessThan(mean(0, 2) - 0.5);
    for (const [i, report] of reports.entries()) {
      expect(report.step).toBe(i + 1);
      expect(report.tokens).toBe(24);
      expect(report.counts.map((layer) => layer.reduce((a, b) => a + b))).toEqual([48, 48]);
      const weighted = report.terms.reduce((sum, term) => sum + term.weighted, 0);
      expect(report.totalLoss).toBeCloseTo(report.loss + weighted, 5);
    }
    const layers = new Set(reports[0]!.terms.map(({ layer }) => layer));
    expect([...layers]).toEqual(router === 'vanilla' ? [null] : [0, 1]);
    expect(reports[0]!.learningRate).toBeCloseTo(0.01 * 0.1, 10);
    expect(reports[2]!.learningRate).toBeCloseTo(0.01, 10);
    trainer.dispose();
    decoder.dispose();
    expect(device.memory.liveBuffers).toBe(0);
  });

  it('needs no more memory in 2,000 steps than in ten', { timeout: 120_000 }, async () => {
    const decoder = makeDecoder(device, router);
    const trainer = makeTrainer(decoder, {
      schedule: { warmupSteps: 10, stableSteps: 1_500, decaySteps: 490, minRatio: 0.1 },
    });
    await take(trainer, 10);
    const { liveBuffers, liveBytes, peakBytes } = device.memory;
    for (let step = 10; step < 2_000; step += 10) await take(trainer, 10);
    expect({ ...device.memory }).toMatchObject({ liveBuffers, liveBytes, peakBytes });
    trainer.dispose();
    decoder.dispose();
  });

  it('does the same whether reports are awaited at once or late, and for any number of threads', async () => {
    const run = async (threads: number, eager: boolean) => {
      const own = await createWasmDevice({ threads });
      const decoder = makeDecoder(own, router);
      const trainer = makeTrainer(decoder);
      const reports: StepReport[] = [];
      if (eager) for (let step = 0; step < 6; step++) reports.push(await trainer.recordStep());
      else reports.push(...(await take(trainer, 6)));
      const weights = await weightsOf(decoder);
      await own.dispose();
      return { reports, weights };
    };
    const reference = await run(1, true);
    expect(await run(2, false)).toEqual(reference);
    expect(await run(0, true)).toEqual(reference);
  });

  it('is not disturbed by an evaluation, which changes nothing and counts exactly', async () => {
    const run = async (evaluating: boolean) => {
      const decoder = makeDecoder(device, router);
      const trainer = makeTrainer(decoder);
      await take(trainer, 3);
      if (evaluating) {
        const before = await weightsOf(decoder);
        const first = await evaluate(decoder, evaluationBatches(tokens, 4, 8, 330), { tokenCounts: true });
        expect(await weightsOf(decoder)).toEqual(before);
        expect(await evaluate(decoder, evaluationBatches(tokens, 4, 8, 330), { tokenCounts: true })).toEqual(first);
        // 41 sequences of 8: the last batch is smaller than the others.
        expect(first.tokens).toBe(328);
        for (const [layer, counts] of first.counts.entries()) {
          expect(counts.reduce((a, b) => a + b)).toBe(328 * loads.topK);
          expect(first.tokenCounts[layer]!.map((perToken) => perToken.reduce((a, b) => a + b))).toEqual([...counts]);
        }
        // The mean over tokens does not depend on how they are batched.
        const single = await evaluate(decoder, evaluationBatches(tokens, 1, 8, 330));
        expect(single.loss).toBeCloseTo(first.loss, 5);
        expect(single.counts).toEqual(first.counts);
      }
      await take(trainer, 3);
      const weights = await weightsOf(decoder);
      trainer.dispose();
      decoder.dispose();
      return weights;
    };
    expect(await run(true)).toEqual(await run(false));
  });
});

describe('a run that diverges', () => {
  it('stops with an error that names the step and its figures', async () => {
    const decoder = makeDecoder(device, 'vanilla');
    const trainer = makeTrainer(decoder);
    await trainer.recordStep();
    const head = decoder.parameters.get('lm_head.weight')!;
    assign(head, new Float32Array(head.size).fill(Number.NaN));
    const failed = trainer.recordStep();
    await expect(failed).rejects.toThrow(DivergedError);
    await expect(failed).rejects.toThrow(/diverged at step 2: cross entropy NaN.*loadBalancing.*learning rate/);
    trainer.dispose();
    decoder.dispose();
  });
});

it('counts in evaluation only slots that hold an expert', async () => {
  // AdaMoE gives some of a token's slots to null experts.
  const decoder = makeDecoder(device, 'adamoe');
  const { counts, tokenCounts } = await evaluate(decoder, evaluationBatches(tokens, 4, 8, 330), { tokenCounts: true });
  for (const [layer, loads] of counts.entries()) {
    expect(tokenCounts[layer]!.map((perToken) => perToken.reduce((a, b) => a + b))).toEqual([...loads]);
  }
  decoder.dispose();
});

import { type Batch, BatchStream, evaluationBatches } from '@lpr/data';
import { type Decoder, exportWeights } from '@lpr/model';
import { assign, createWasmDevice, type WasmDevice } from '@lpr/tensor';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluate } from '../src/evaluate.ts';
import { DivergedError, type StepReport } from '../src/trainer.ts';
import { loads, makeDecoder, makeTrainer, take, tokens, vocabulary } from './models.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 2 });
});
afterAll(async () => await device.dispose());

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

  // In thousands of steps: tests/memory.soak.ts.
  it('needs no more memory in 100 steps than in ten', async () => {
    const decoder = makeDecoder(device, router);
    const trainer = makeTrainer(decoder);
    await take(trainer, 10);
    const { liveBuffers, liveBytes, peakBytes } = device.memory;
    for (let step = 10; step < 100; step += 10) await take(trainer, 10);
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

describe('an evaluation of several domains', () => {
  const streams = [
    { domain: 'a', tokens: tokens.subarray(0, 100), weight: 7 },
    { domain: 'b', tokens: tokens.subarray(100, 300), weight: 3 },
  ];
  const other = { domain: 'c', tokens: tokens.subarray(300, 500), besides: true };

  it('is of the mix that they make up, by whatever sequences, and of what is besides it by domain alone', async () => {
    const decoder = makeDecoder(device, 'lpr');
    const done: number[] = [];
    const options = { tokenCounts: true, onProgress: (tokens: number) => void done.push(tokens) };
    const mix = await evaluate(decoder, evaluationBatches(streams, 4, 8, 96), options);
    const [a, b] = ['a', 'b'].map((domain) => mix.domains.get(domain)!);
    // 12 sequences in proportions of 7 to 3: 8 and 4 are read.
    expect([a!.tokens, b!.tokens, mix.tokens, done.at(-1)]).toEqual([64, 32, 96, 96]);
    expect(mix.loss).toBeCloseTo(0.7 * a!.loss + 0.3 * b!.loss, 10);
    expect(mix.loss).not.toBeCloseTo((2 * a!.loss + b!.loss) / 3, 10);

    const both = await evaluate(decoder, evaluationBatches([...streams, other], 4, 8, 96), options);
    expect(both).toMatchObject({ loss: mix.loss, tokens: 96, counts: mix.counts, tokenCounts: mix.tokenCounts });
    expect(both.blocks).toEqual(mix.blocks);
    expect(both.domains.get('c')!.tokens).toBe(96);
    expect(done.at(-1)).toBe(192);
    const alone = await evaluate(decoder, evaluationBatches([other], 4, 8, 96));
    expect(alone).toMatchObject({ loss: both.domains.get('c')!.loss, tokens: 96 });

    const none = Array.from(evaluationBatches([other], 4, 8, 96), (batch) => ({ ...batch, weight: 0 }));
    await expect(evaluate(decoder, none)).rejects.toThrow(/all batches have weight 0; give at least one that counts/);
    decoder.dispose();
  });
});

describe('gradient accumulation', () => {
  /** Gradients and loads of one step over the same six sequences, split into micro-batches. */
  async function stepOf(
    router: Parameters<typeof makeDecoder>[1],
    accumulation: number,
    seed: number,
    options: Parameters<typeof makeTrainer>[1] = {},
  ) {
    const decoder = makeDecoder(device, router, seed);
    const gradients: Record<string, Float32Array> = {};
    const trainer = makeTrainer(decoder, {
      accumulation,
      stream: new BatchStream({ tokens, batchSize: 6 / accumulation, sequenceLength: 8, seed }),
      learningRate: 1,
      // A plain step: without momentum, the first moment is the gradient.
      optimizer: { beta1: 0, clipNorm: 1e9 },
      ...options,
    });
    const report = await trainer.recordStep();
    for (const [name, { data }] of await trainer.optimizer.exportState()) {
      if (name.endsWith('firstMoment')) gradients[name] = data;
    }
    trainer.dispose();
    decoder.dispose();
    return { report, gradients };
  }

  // 'vanilla' pools its balancing loss over layers and tokens; 'lpr' draws noise and has terms over all pairs of
  // tokens.
  it.each(['plain', 'vanilla', 'lpr'] as const)(
    'gives the gradients of the whole batch, however it is split: %s',
    async (router) => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(2, 3, 6), fc.nat(1000), async (accumulation, seed) => {
          const whole = await stepOf(router, 1, seed);
          const split = await stepOf(router, accumulation, seed);
          expect(split.report.tokens).toBe(whole.report.tokens);
          expect(split.report.counts).toEqual(whole.report.counts);
          expect(split.report.loss).toBeCloseTo(whole.report.loss, 5);
          expect(split.report.totalLoss).toBeCloseTo(whole.report.totalLoss, 5);
          for (const [name, expected] of Object.entries(whole.gradients)) {
            const bound = 2e-6 + 1e-3 * Math.max(...expected.map(Math.abs));
            for (const [i, value] of expected.entries()) {
              expect(Math.abs(split.gradients[name]![i]! - value), name).toBeLessThanOrEqual(bound);
            }
          }
        }),
        { numRuns: 8 },
      );
    },
  );

  it('reports the terms of the whole batch', async () => {
    const { report } = await stepOf('lpr', 2, 3);
    const weighted = report.terms.reduce((sum, term) => sum + term.weighted, 0);
    expect(report.totalLoss).toBeCloseTo(report.loss + weighted, 5);
    const { report: whole } = await stepOf('lpr', 1, 3);
    expect(report.terms.map(({ name, layer }) => [name, layer])).toEqual(
      whole.terms.map(({ name, layer }) => [name, layer]),
    );
    for (const [i, { raw }] of report.terms.entries()) expect(raw).toBeCloseTo(whole.terms[i]!.raw, 5);
  });

  it('adds the terms of micro-batches up where asked to, as the released code does', async () => {
    const mean = await stepOf('lpr', 3, 3);
    const sum = await stepOf('lpr', 3, 3, { accumulatedTerms: 'sum' });
    expect(sum.report.loss).toBeCloseTo(mean.report.loss, 5);
    const kl = ({ terms }: StepReport): number[] => terms.filter(({ name }) => name === 'kl').map(({ raw }) => raw);
    for (const [i, value] of kl(sum.report).entries()) expect(value / kl(mean.report)[i]!).toBeCloseTo(3, 4);
    const weighted = sum.report.terms.reduce((total, term) => total + term.weighted, 0);
    expect(sum.report.totalLoss).toBeCloseTo(sum.report.loss + weighted, 5);
  });

  it('weighs a micro-batch by its labels, of which some may be left out', async () => {
    const decoder = makeDecoder(device, 'plain');
    const stream = new BatchStream({ tokens, batchSize: 1, sequenceLength: 8, seed: 1 });
    const masked = (index: number): Batch => {
      const batch = stream.batchAt(index);
      return index === 0 ? { ...batch, labels: batch.labels.map((label, i) => (i < 6 ? -100 : label)) } : batch;
    };
    const losses = await Promise.all(
      [masked(0), masked(1)].map(async (batch) => (await evaluate(decoder, [batch])).loss),
    );
    const trainer = makeTrainer(decoder, { accumulation: 2, stream: { batchAt: masked } });
    expect((await trainer.recordStep()).loss).toBeCloseTo((2 * losses[0]! + 8 * losses[1]!) / 10, 5);
    const empty = makeTrainer(decoder, {
      stream: { batchAt: (index) => ({ ...stream.batchAt(index), labels: new Int32Array(8).fill(-100) }) },
    });
    expect(() => empty.recordStep()).toThrow(/no label/);
    for (const each of [trainer, empty]) each.dispose();
    decoder.dispose();
  });
});

it('evaluates batches without labels as text that is routed and predicts nothing', async () => {
  const decoder = makeDecoder(device, 'plain');
  const stream = new BatchStream({ tokens, batchSize: 1, sequenceLength: 8, seed: 1 });
  const ofDomain = (index: number, domain: string): Batch => ({ ...stream.batchAt(index), domains: [domain] });
  const without = (batch: Batch): Batch => ({ ...batch, labels: new Int32Array(8).fill(-100) });
  const [first, second] = [ofDomain(0, 'a'), ofDomain(1, 'b')];
  const alone = await evaluate(decoder, [first]);
  const both = await evaluate(decoder, [without({ ...first, weight: 3 }), first, without(second)]);
  expect(both.loss).toBe(alone.loss);
  expect(both.tokens).toBe(24);
  expect(both.domains).toEqual(
    new Map([
      ['a', { loss: alone.loss, tokens: 16 }],
      ['b', { loss: Number.NaN, tokens: 8 }],
    ]),
  );
  expect(both.blocks.map(({ loss, tokens: labels }) => [loss, labels])).toEqual([
    [0, 0],
    [alone.loss * 8, 8],
    [0, 0],
  ]);
  expect(both.counts.map((layer) => layer.reduce((a, b) => a + b))).toEqual(
    alone.counts.map((layer) => 3 * layer.reduce((a, b) => a + b)),
  );
  expect((await evaluate(decoder, [without(first)])).loss).toBeNaN();
  decoder.dispose();
});

describe('a run that diverges', () => {
  it('stops with an error that names the step and its numbers', async () => {
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

/** Calibration of whole models, and of runs at their end. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Batch, evaluationBatches } from '@lpr/data';
import { layersReport } from '@lpr/metrics';
import { type Decoder, exportWeights } from '@lpr/model';
import { listCheckpoints, readEvaluations } from '@lpr/runs';
import { describe, expect, it } from 'vitest';
import { calibrate } from '../src/calibrate.ts';
import { evaluate } from '../src/evaluate.ts';
import type { RunOptions } from '../src/run.ts';
import { makeDecoder, tokens } from './models.ts';
import { decidedIn, placeOfTests, trainIn } from './runs.ts';

const place = placeOfTests();

const text = (): Iterable<Batch> => evaluationBatches(tokens, 4, 8, 640);
const calibration = { batches: text, rounds: 3 };

const train = (name: string, options: Partial<RunOptions> = {}) =>
  trainIn(place, name, options, undefined, {}, 'corrected');

const ginisOf = async (decoder: Decoder): Promise<number> =>
  layersReport((await evaluate(decoder, text())).counts).mean.gini;

describe('calibrate', () => {
  it('evens out the loads over the text, and moves nothing but selection biases', async () => {
    const decoder = makeDecoder(place.device, 'corrected');
    const before = await exportWeights(decoder);
    const counts = (await evaluate(decoder, text())).counts;
    await calibrate(decoder, text(), { rounds: 4 });
    expect(await ginisOf(decoder)).toBeLessThan(0.5 * layersReport(counts).mean.gini);
    for (const [name, { data }] of await exportWeights(decoder)) {
      const isMoved = name.endsWith('selection_bias');
      expect(Buffer.compare(Buffer.from(data.buffer), Buffer.from(before.get(name)!.data.buffer)) !== 0, name).toBe(
        isMoved,
      );
    }
    decoder.dispose();
  });

  it('evens out the whole of a text that changes on its way', async () => {
    const middle = tokens.toSorted()[tokens.length / 2]!;
    const drift = [...tokens.filter((token) => token < middle), ...tokens.filter((token) => token >= middle)];
    const drifting = (): Iterable<Batch> => evaluationBatches(Int32Array.from(drift), 4, 8, 2048);
    const decoder = makeDecoder(place.device, 'corrected');
    const giniOfAll = async () => layersReport((await evaluate(decoder, drifting())).counts).mean.gini;
    const before = await giniOfAll();
    await calibrate(decoder, drifting(), { rounds: 1 });
    expect(await giniOfAll()).toBeLessThan(0.15 * before);
    decoder.dispose();
  });

  it('refuses a model without a selection bias, and no text', async () => {
    const plain = makeDecoder(place.device, 'plain');
    await expect(calibrate(plain, text(), { rounds: 1 })).rejects.toThrow(
      'no router of this model has a selection bias',
    );
    plain.dispose();
    const decoder = makeDecoder(place.device, 'corrected');
    await expect(calibrate(decoder, [], { rounds: 1 })).rejects.toThrow('got no batches');
    decoder.dispose();
  });
});

describe('a run that is calibrated', () => {
  it('ends with an evener load, in its checkpoint and its evaluation', async () => {
    const evaluation = { batches: text, every: null };
    await train('plain', { evaluation });
    await train('calibrated', { evaluation, calibration });
    const giniOf = async (name: string): Promise<number> =>
      (await readEvaluations(join(place.root, name))).at(-1)!.balance!.mean.gini!;
    expect(await giniOf('calibrated')).toBeLessThan(0.7 * (await giniOf('plain')));
    const models = ['plain', 'calibrated'].map(async (name) => {
      const [newest] = await listCheckpoints(join(place.root, name, 'checkpoints'));
      expect(newest).toMatch(/000012$/);
      return await readFile(join(newest!, 'model.safetensors'));
    });
    const [plain, calibrated] = await Promise.all(models);
    expect(plain!.equals(calibrated!)).toBe(false);
  });

  it('ends with the same bits when it is stopped before or while it is calibrated', async () => {
    const evaluation = { batches: text, every: 5 };
    await train('whole', { evaluation, calibration });
    const whole = await decidedIn(place.root, 'whole');
    const stops: Record<string, (controller: AbortController) => Partial<RunOptions>> = {
      'at a step': (controller) => ({ onStep: ({ report }) => report.step === 9 && controller.abort() }),
      'at the last step': (controller) => ({ onStep: ({ report }) => report.step === 12 && controller.abort() }),
      'in the second round': (controller) => ({
        calibration: { ...calibration, onProgress: (done) => done === 800 && controller.abort() },
      }),
    };
    for (const [name, stopped] of Object.entries(stops)) {
      const controller = new AbortController();
      const { finished } = await train(name, {
        evaluation,
        calibration,
        ...stopped(controller),
        signal: controller.signal,
      });
      expect(controller.signal.aborted, name).toBe(true);
      expect(finished, name).toBe(false);
      expect((await train(name, { evaluation, calibration })).finished, name).toBe(true);
      expect(await decidedIn(place.root, name), name).toEqual(whole);
    }
  });
});

import { cp, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Batch, evaluationBatches } from '@lpr/data';
import { BlockBootstrap, decodeLoads, decodeTrace, layersReport, normalMargin } from '@lpr/metrics';
import { type Decoder, decodeSafetensors, exportWeights, resetDecoder } from '@lpr/model';
import { loadHuggingFace } from '@lpr/model/node';
import { listCheckpoints, readBlocks, readEvaluations, readMetrics } from '@lpr/runs';
import { assign } from '@lpr/tensor';
import { describe, expect, it, vi } from 'vitest';
import { measureGradientNorms } from '../src/gradient-norms.ts';
import { isOutOfPatience } from '../src/run-evaluation.ts';
import { loadNewestWeights } from '../src/snapshot.ts';
import type { RunOptions, RunResult } from '../src/run.ts';
import { LossSpikeError } from '../src/spikes.ts';
import { dropGradients } from '../src/micro-batches.ts';
import { DivergedError, type TrainerOptions } from '../src/trainer.ts';
import { loads, makeDecoder, makeTrainer, tokens } from './models.ts';
import { decidedIn, placeOfTests, trainIn } from './runs.ts';

// Whole runs, on machines that may be busy.
vi.setConfig({ testTimeout: 60_000 });

const place = placeOfTests();

type WithoutPlace = Parameters<typeof trainIn> extends [unknown, string, ...infer Rest] ? Rest : never;

/** Held-out text of two domains. */
const heldOut = (): Iterable<Batch> =>
  evaluationBatches(
    [
      { domain: 'first', tokens: tokens.subarray(0, 400), weight: 3 },
      { domain: 'second', tokens: tokens.subarray(400, 700), weight: 1 },
    ],
    4,
    8,
    160,
  );

const train = (name: string, ...rest: WithoutPlace): Promise<RunResult> => trainIn(place, name, ...rest);
const decided = (name: string): Promise<unknown> => decidedIn(place.root, name);

describe('trainRun', () => {
  it('logs every step and every window, and keeps the last checkpoints', async () => {
    const steps: number[] = [];
    const result = await train('run', { onStep: ({ report }) => steps.push(report.step) });
    expect(result).toMatchObject({ step: 12, tokens: 12 * 24, finished: true });
    expect(steps).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    const metrics = await readMetrics(join(place.root, 'run'));
    expect(metrics.map(({ step, tokens }) => [step, tokens])).toEqual(steps.map((step) => [step, 24 * step]));
    expect(metrics.filter(({ balance }) => balance !== undefined).map(({ step }) => step)).toEqual([4, 8, 12]);
    expect(Object.keys(metrics[0]!.terms).length).toBeGreaterThan(1);
    for (const { raw } of Object.values(metrics[0]!.terms)) expect(raw).toHaveLength(loads.layers);
    const { windows } = decodeLoads(await readFile(join(place.root, 'run', 'loads.bin')));
    expect(windows.map(({ step, tokens }) => [step, tokens])).toEqual([4, 8, 12].map((step) => [step, 96]));
    const kept = await listCheckpoints(join(place.root, 'run', 'checkpoints'));
    expect(kept.map((path) => path.slice(-6))).toEqual(['000012', '000010']);
  });

  it('ends with the same bits when it is stopped at any step, in the midst of a window', async () => {
    await train('whole');
    for (const stopAt of [1, 6, 9]) {
      const controller = new AbortController();
      const onStep: RunOptions['onStep'] = ({ report }) => {
        if (report.step === stopAt) controller.abort();
      };
      const stopped = await train(`stopped-${stopAt}`, { onStep, signal: controller.signal });
      expect(stopped.finished).toBe(false);
      expect(stopped.step).toBeGreaterThanOrEqual(stopAt);
      expect((await train(`stopped-${stopAt}`)).finished).toBe(true);
      expect(await decided(`stopped-${stopAt}`)).toEqual(await decided('whole'));
    }
  });

  it('trains a model without experts, which has no loads and no balance, and goes on with it', async () => {
    const evaluation = { batches: heldOut, every: 5, traceTokens: 20 };
    const dense = (name: string, more: Partial<RunOptions> = {}): Promise<RunResult> =>
      train(name, { loads: null, gradientNormsEvery: 1, evaluation, ...more }, undefined, { accumulation: 2 }, 'dense');
    const windows: number[] = [];
    await dense('whole', { onStep: (progress) => windows.push(progress.windows) });
    expect(windows).toEqual([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]);
    const controller = new AbortController();
    await dense('stopped', {
      signal: controller.signal,
      onStep: ({ report }) => report.step === 6 && controller.abort(),
    });
    expect((await dense('stopped')).finished).toBe(true);
    const [whole, stopped] = [join(place.root, 'whole'), join(place.root, 'stopped')];
    const metrics = await readMetrics(whole);
    expect(metrics.map(({ step, balance }) => [step, balance])).toEqual(metrics.map(({ step }) => [step, undefined]));
    expect(metrics.map(({ loss }) => loss)).toEqual((await readMetrics(stopped)).map(({ loss }) => loss));
    expect(await readEvaluations(stopped)).toEqual(await readEvaluations(whole));
    expect((await readEvaluations(whole)).at(-1)).toMatchObject({ final: true, balance: null, counts: [] });
    expect((await readdir(whole)).filter((name) => /loads|traces|latents/.test(name))).toEqual([]);
  });

  it('does nothing to a finished run', async () => {
    await train('run');
    const before = await decided('run');
    expect(await train('run')).toMatchObject({ step: 12, finished: true });
    expect(await decided('run')).toEqual(before);
  });

  it('leaves nothing of a process that was killed when it had written the last checkpoint', async () => {
    await train('run');
    const root = join(place.root, 'run', 'checkpoints');
    const kept = (await readdir(root)).toSorted();
    for (const left of ['step-000008', '.step-000011.tmp'])
      await cp(join(root, kept[0]!), join(root, left), { recursive: true });
    expect(await train('run')).toMatchObject({ step: 12, finished: true });
    expect((await readdir(root)).toSorted()).toEqual(kept);
  });

  it('saves nothing of a run that diverged', async () => {
    const poison = (decoder: Decoder): RunOptions['onStep'] => {
      return ({ report }) => {
        if (report.step !== 6) return;
        const head = decoder.parameters.get('lm_head.weight')!;
        assign(head, new Float32Array(head.size).fill(Number.NaN));
      };
    };
    let onStep: RunOptions['onStep'];
    await expect(
      train('run', { onStep: (progress) => onStep!(progress) }, (decoder) => {
        onStep = poison(decoder);
      }),
    ).rejects.toThrow(/diverged at step [78]/);
    const kept = await listCheckpoints(join(place.root, 'run', 'checkpoints'));
    expect(kept.map((path) => path.slice(-6))).toEqual(['000005']);
    // And it goes on from there as if nothing had been.
    await train('run');
    await train('whole');
    expect(await decided('run')).toEqual(await decided('whole'));
  });

  it('leaves a model that loads under its Hugging Face names', async () => {
    await train('run');
    const decoder = makeDecoder(place.device, 'lpr', 9);
    expect(await loadNewestWeights(join(place.root, 'nowhere'), decoder)).toBeNull();
    expect(await loadNewestWeights(join(place.root, 'run', 'checkpoints'), decoder)).toBe(12);
    const names = [...(await exportWeights(decoder)).keys()];
    expect(names).toContain('model.layers.1.mlp.experts.5.up_proj.weight');
    expect(names).toContain('model.layers.0.mlp.gate.expert_keys');
    decoder.dispose();
  });

  it('says in which tensor and layer a divergence began, before the first checkpoint and after it', async () => {
    const diverging = (atStep: number): Partial<TrainerOptions> => ({
      learningRate: 1e30,
      schedule: { warmupSteps: 0, stableSteps: atStep, decaySteps: 0, decay: 'linear', minRatio: 0 },
    });
    let reset = (): void => {};
    const failed = train(
      'early',
      { resetModel: () => reset() },
      (decoder) => {
        reset = () => resetDecoder(decoder, 0);
      },
      diverging(3),
    );
    // The first step makes weights so large that their products are no longer finite where the first router computes
    // with them.
    await expect(failed).rejects.toThrow(
      /diverged at step 2.*It began in the activations of model\.layers\.0\.mlp\.gate/s,
    );
    await expect(failed).rejects.toThrow(DivergedError);
    await expect(train('blind', {}, () => {}, diverging(3))).rejects.toThrow(/no checkpoint before it/);
    expect(await listCheckpoints(join(place.root, 'early', 'checkpoints'))).toEqual([]);
    await expect(train('late', { checkpointEvery: 1 }, () => {}, diverging(3))).rejects.toThrow(
      /It began in the activations of model\.layers\.0\.mlp\.gate/,
    );
    expect((await listCheckpoints(join(place.root, 'late', 'checkpoints'))).map((path) => path.slice(-6))).toEqual([
      '000001',
    ]);
  });

  it('says which term of the loss a divergence began in, and of which layer', () => {
    const decoder = makeDecoder(place.device, 'lpr');
    const trainer = makeTrainer(decoder);
    const observed: string[] = [];
    trainer.inspectStep(0, (name) => observed.push(name));
    dropGradients(decoder);
    expect(observed.filter((name) => name.startsWith('the loss term kl'))).toEqual([
      'the loss term kl of layer 0',
      'the loss term kl of layer 1',
    ]);
    expect(observed.at(-1)).toBe('the loss');
    trainer.dispose();
    decoder.dispose();
  });

  it('stops at a loss spike', async () => {
    const failed = train('run', { lossSpike: { sigmas: -100, window: 6 } });
    await expect(failed).rejects.toThrow(LossSpikeError);
    await expect(failed).rejects.toThrow(/spiked at step 7: .* the 6 steps before/);
    const kept = await listCheckpoints(join(place.root, 'run', 'checkpoints'));
    expect(kept.map((path) => path.slice(-6))).toEqual(['000005']);
    expect((await train('run', { lossSpike: { sigmas: 100, window: 6 } })).finished).toBe(true);
  });
});

describe('evaluations of a run', () => {
  const evaluation = { every: 3, batches: heldOut, traceTokens: 20 };

  it('come at intervals and at the end, by domain, with traces of the same tokens and the latents at the end', async () => {
    const result = await train('run', { evaluation });
    const path = join(place.root, 'run');
    const lines = await readEvaluations(path);
    expect(lines.map(({ step, final }) => [step, final])).toEqual([
      [3, false],
      [6, false],
      [9, false],
      [12, true],
    ]);
    expect(result.evaluation).toEqual(lines.at(-1));
    for (const { domains, loss, perplexity, evaluatedTokens, balance, counts, mutualInformation, decisions } of lines) {
      expect(decisions).toHaveLength(2);
      for (const layer of decisions!) {
        expect(layer!.entropy).toBeGreaterThan(0);
        expect(layer!.entropy).toBeLessThanOrEqual(1);
        expect(layer!.margin).toBeGreaterThan(0);
        expect(layer!.independentMargin).toBeCloseTo(normalMargin(loads.experts, loads.topK), 12);
      }
      expect(Object.keys(domains)).toEqual(['first', 'second']);
      expect((3 * domains['first']!.loss + domains['second']!.loss) / 4).toBeCloseTo(loss, 10);
      expect(perplexity).toBeCloseTo(Math.exp(loss), 10);
      expect(evaluatedTokens).toBe(160);
      const { mean, worst } = layersReport(counts);
      expect(balance).toEqual({ mean, worst });
      expect(mutualInformation).toBeGreaterThan(0);
      const total = counts.map((layer) => layer.reduce((a, b) => a + b));
      expect(total).toEqual([160 * loads.topK, 160 * loads.topK]);
    }

    const traces = await Promise.all(
      ['000003', '000012'].map(async (step) => decodeTrace(await readFile(join(path, 'traces', `step-${step}.trace`)))),
    );
    for (const trace of traces) {
      expect(trace).toMatchObject({ layers: 2, experts: loads.experts, slots: loads.topK, tokens: 40 });
      expect(trace.domains).toEqual(['first', 'second']);
      expect([...trace.domainOf].filter((domain) => domain === 0)).toHaveLength(20);
      expect(trace.tokenIds).toEqual(traces[0]!.tokenIds);
    }
    expect(traces[0]!.weights).not.toEqual(traces[1]!.weights);
    const latents = decodeSafetensors(await readFile(join(path, 'latents', 'step-000012.safetensors')));
    expect(Object.fromEntries(Array.from(latents, ([name, { shape }]) => [name, shape]))).toEqual(
      Object.fromEntries(
        [0, 1].flatMap((layer) => [
          [`layers.${layer}.latents`, [40, 4]],
          [`layers.${layer}.tokens`, [40]],
          [`layers.${layer}.experts`, [40, 2]],
          [`layers.${layer}.prototypes`, [6, 4]],
        ]),
      ),
    );
    expect(Uint16Array.from(latents.get('layers.1.experts')!.data as Int32Array)).toEqual(
      traces[1]!.chosen.subarray(80),
    );
  });

  it('leave the blocks of the last of them, which add up to it', async () => {
    await train('run', { evaluation });
    const path = join(place.root, 'run');
    const { step, loss, counts, balance } = (await readEvaluations(path)).at(-1)!;
    const { value: blocks } = await readBlocks(path, step);
    expect(blocks!.map(({ domain, tokens }) => [domain, tokens])).toEqual([
      ...Array(3).fill(['first', 32]),
      ['first', 24],
      ['second', 32],
      ['second', 8],
    ]);
    const { numbers } = new BlockBootstrap(blocks!);
    expect(numbers.testLoss).toBeCloseTo(loss, 10);
    expect(numbers.gini).toBe(balance!.mean.gini);
    const total = (layer: number, expert: number): number =>
      blocks!.reduce((sum, block) => sum + block.counts[layer]![expert]!, 0);
    expect(counts.map((layer, l) => layer.map((_, expert) => total(l, expert)))).toEqual(counts);
  });

  it('change nothing in the training, and are taken up where a run is stopped', async () => {
    await train('plain');
    await train('evaluated', { evaluation, gradientNormsEvery: 1 });
    const weights = async (name: string): Promise<Buffer> =>
      await readFile(join(place.root, name, 'checkpoints', 'step-000012', 'model.safetensors'));
    expect(await weights('evaluated')).toEqual(await weights('plain'));
    for (const stopAt of [3, 8]) {
      const controller = new AbortController();
      const onStep: RunOptions['onStep'] = ({ report }) => {
        if (report.step === stopAt) controller.abort();
      };
      const name = `stopped-${stopAt}`;
      await train(name, { evaluation, gradientNormsEvery: 1, onStep, signal: controller.signal });
      expect((await train(name, { evaluation, gradientNormsEvery: 1 })).finished).toBe(true);
      expect(await decided(name)).toEqual(await decided('evaluated'));
    }
  });

  it('are given up when the run is asked to stop, and made when it goes on', async () => {
    await train('evaluated', { evaluation });
    // During the first one, and the final one.
    for (const step of [3, 12]) {
      const controller = new AbortController();
      const name = `stopped-${step}`;
      const batches = function* (): Generator<Batch> {
        for (const batch of evaluation.batches()) {
          yield batch;
          if (controller.signal.aborted) throw new Error('it reads on');
          if ((evaluations.at(-1) ?? 0) === step - 3) controller.abort();
        }
      };
      const evaluations: number[] = [];
      const stopped = await train(name, {
        evaluation: { ...evaluation, batches },
        onEvaluation: ({ step }) => evaluations.push(step),
        signal: controller.signal,
      });
      expect(stopped).toMatchObject({ step, finished: false, evaluation: null });
      expect((await readEvaluations(join(place.root, name))).length).toBe(evaluations.length);
      expect((await train(name, { evaluation })).finished).toBe(true);
      expect(await decided(name)).toEqual(await decided('evaluated'));
    }
  });

  it('end a run that no longer gets better, and a resumed one too', async () => {
    // Without learning, no evaluation is better than the first.
    const still = { learningRate: 1e-30, optimizer: { weightDecay: 0 } };
    const options = { evaluation: { ...evaluation, patience: 2 } };
    expect(await train('run', options, () => {}, still)).toMatchObject({
      step: 9,
      finished: true,
      outOfPatience: true,
    });
    expect((await readEvaluations(join(place.root, 'run'))).map(({ step, final }) => [step, final])).toEqual([
      [3, false],
      [6, false],
      [9, false],
      [9, true],
    ]);
    const before = await decided('run');
    expect(await train('run', options, () => {}, still)).toMatchObject({
      step: 9,
      finished: true,
      outOfPatience: true,
    });
    expect(await decided('run')).toEqual(before);
  });

  it('wait for the best of all: patience counts evaluations in a row that were no better', () => {
    expect(isOutOfPatience([3, 2, 2.5, 1.9], 2)).toBe(false);
    expect(isOutOfPatience([3, 2, 2.5, 2], 2)).toBe(true);
    expect(isOutOfPatience([3, 2], 2)).toBe(false);
    expect(isOutOfPatience([3, 4, 5], null)).toBe(false);
    expect(isOutOfPatience([Number.NaN, 2, 1.5], 1)).toBe(false);
    expect(isOutOfPatience([2, Number.NaN, 2], 1)).toBe(true);
    expect(isOutOfPatience([Number.NaN, Number.NaN, 7], 1)).toBe(false);
  });
});

describe('what a run logs of a window', () => {
  it('is balance, phases, memory, and the norms of each gradient by term and part', async () => {
    await train('run', { gradientNormsEvery: 2 });
    const windows = (await readMetrics(join(place.root, 'run'))).filter(({ balance }) => balance !== undefined);
    for (const { balance, phases, memory } of windows) {
      expect(balance!.mean.maxViolation).toBeGreaterThan(0);
      expect(balance!.worst.maxViolation).toBeGreaterThanOrEqual(balance!.mean.maxViolation!);
      expect(Object.keys(phases!)).toEqual(
        expect.arrayContaining(['attention', 'experts', 'router', 'optimizer', 'idle']),
      );
      expect(Object.values(phases!).every((time) => time >= -1e-3)).toBe(true);
      expect(memory!.host).toBeGreaterThan(1e6);
      expect(memory!.device).toBeGreaterThan(1e4);
    }
    expect(windows.map(({ step, gradientNorms }) => [step, gradientNorms !== undefined])).toEqual([
      [4, false],
      [8, true],
      [12, false],
    ]);
    const { gradientNorms } = windows[1]!;
    const { task, kl, diversityKeys } = gradientNorms!;
    for (const norm of Object.values(task!)) expect(norm).toBeGreaterThan(0);
    // The divergence from the prior pulls at the encoder; at prototypes only by what the layers after them read.
    expect(kl!.router).toBeGreaterThan(1000 * kl!.prototypes!);
    // The diversity of the prototypes is a matter of theirs alone.
    expect([diversityKeys!.router, diversityKeys!.trunk]).toEqual([0, 0]);
    expect(diversityKeys!.prototypes).toBeGreaterThan(0);
  });

  it('adds up to the norm of the whole gradient where there is one term', async () => {
    const decoder = makeDecoder(place.device, 'plain');
    const trainer = makeTrainer(decoder);
    const { task } = await measureGradientNorms(decoder, trainer.batchesOf(0)[0]!, trainer.noiseOf(0));
    const { gradientNorm } = await trainer.recordStep();
    expect(Math.hypot(task!.router!, task!.prototypes!, task!.trunk!)).toBeCloseTo(gradientNorm, 5);
    trainer.dispose();
    decoder.dispose();
  });
});

describe('a checkpoint of a run', () => {
  it('is a Hugging Face model folder', async () => {
    await train('run');
    const folder = join(place.root, 'run', 'checkpoints', 'step-000012');
    const decoder = await loadHuggingFace(place.device, folder);
    const other = makeDecoder(place.device, 'lpr', 5);
    await loadNewestWeights(join(place.root, 'run', 'checkpoints'), other);
    expect(await exportWeights(decoder)).toEqual(await exportWeights(other));
    for (const each of [decoder, other]) each.dispose();
  });

  it('does not count when the log does not reach up to it', async () => {
    await train('run');
    const path = join(place.root, 'run', 'metrics.jsonl');
    const before = await decided('run');
    const lines = (await readFile(path, 'utf8')).split('\n');
    await writeFile(path, `${lines.slice(0, 11).join('\n')}\n{"step": 12, "lo`);
    const warnings: string[] = [];
    await train('run', { onWarning: (message) => warnings.push(message) });
    expect(warnings).toEqual([expect.stringMatching(/step-000012 is of step 12, but metrics\.jsonl .* up to step 11/)]);
    expect(await decided('run')).toEqual(before);
  });
});

/** `pnpm trainer bench`: how many tokens a second this machine trains. */
import { predictFlops } from '@lpr/model';
import { alignColumns } from '@lpr/report/tables';
import type { Device } from '@lpr/tensor';
import { decoderConfig } from '../settings/decoder-config.ts';
import { createProgress } from '../cli/progress.ts';
import { makeDecoder, makeTrainer } from '../run/model.ts';
import { resolveSettings } from '../settings/resolve.ts';
import type { Settings } from '../settings/schema.ts';
import { type DeviceOptions, withDevice } from './shared.ts';

export interface BenchOptions extends DeviceOptions {
  readonly presets: string;
  readonly router: string;
  readonly steps: number;
}

/** Steps that are not timed: memory grows and the machine warms up. */
const WARMUP = 2;

export async function bench(options: BenchOptions): Promise<void> {
  const { presets, router, steps } = options;
  const runs = presets
    .split(',')
    .map((preset) => ({ preset, settings: resolveSettings({ preset, router, config: [], set: [] }) }));
  const progress = createProgress(process.stderr, process.env);
  const rows = [['', 'parameters', 'tokens/s', 'ms a step', 'GFLOP/s', 'device GiB']];
  let description = '';
  for (const { preset, settings } of runs) {
    progress.phase(`timing ${steps} steps of ${preset}`);
    // A new one each: memory never shrinks.
    await withDevice(options, async (device) => {
      ({ description } = device);
      rows.push([preset, ...(await timed(device, settings, steps))]);
    });
  }
  progress.end();
  console.log([`${description}, router ${router}: medians of ${steps} steps`, ...alignColumns(rows)].join('\n'));
}

/** The median over steps, so that a moment in which the machine did something else does not count. */
async function timed(device: Device, settings: Settings, steps: number): Promise<string[]> {
  const { size, data } = settings;
  const decoder = makeDecoder(device, settings, size.vocabulary);
  // What the text says is no matter of speed.
  const text = Int32Array.from({ length: 64 * data.sequenceLength }, (_, i) => (i * 7919) % size.vocabulary);
  const trainer = makeTrainer(decoder, settings, text);
  const times: number[] = [];
  let tokens = 0;
  for (let step = 0; step < WARMUP + steps; step++) {
    const start = performance.now();
    ({ tokens } = await trainer.recordStep());
    if (step >= WARMUP) times.push(performance.now() - start);
  }
  const parameters = [...decoder.parameters.values()].reduce((sum, { size }) => sum + size, 0);
  const { peakBytes } = device.memory;
  trainer.dispose();
  decoder.dispose();
  const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
  const config = decoderConfig(settings, size.vocabulary);
  const flops = predictFlops(config, { sequence: data.sequenceLength }).training * tokens;
  return [
    `${(parameters / 1e6).toFixed(1)}M`,
    Math.round((1000 * tokens) / median).toLocaleString('en'),
    median.toFixed(1),
    (flops / median / 1e6).toFixed(1),
    (peakBytes / 2 ** 30).toFixed(2),
  ];
}

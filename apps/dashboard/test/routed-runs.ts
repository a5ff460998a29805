/** Run folders of which it is known where every token went. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeLoadHeader, encodeLoadWindow, LoadRecorder, layersReport } from '@lpr/metrics';
import { balanceOf } from '@lpr/runs';

export const shape = { layers: 2, experts: 8, topK: 2 };

/** Writes a run as training does: windows of 4 steps of 100 tokens, routed to experts by the given rule. */
export async function writeRouted(
  path: string,
  expertsOf: (token: number, layer: number) => readonly number[],
): Promise<void> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, 'loads.bin'), encodeLoadHeader(shape));
  await writeFile(join(path, 'metrics.jsonl'), '');
  const recorder = new LoadRecorder(shape);
  for (let step = 1; step <= 40; step++) {
    for (let layer = 0; layer < shape.layers; layer++) {
      const counts = new Int32Array(shape.experts);
      for (let token = 0; token < 100; token++)
        for (const expert of expertsOf(100 * step + token, layer)) counts[expert]!++;
      recorder.add(layer, counts);
    }
    if (step % 4 > 0) continue;
    const window = recorder.window();
    await appendFile(join(path, 'loads.bin'), encodeLoadWindow(shape, { step, tokens: 400, counts: window }));
    const line = {
      step,
      tokens: 100 * step,
      loss: 3 + 1 / step,
      totalLoss: 3 + 1 / step,
      learningRate: 1e-3,
      gradientNorm: 1,
      terms: {},
      balance: balanceOf(layersReport(window)),
    };
    await appendFile(join(path, 'metrics.jsonl'), `${JSON.stringify(line)}\n`);
    recorder.reset();
  }
}

export const balanced = (token: number) => [token % 8, (token + 3) % 8];
export const collapsed = (_token: number, layer: number) => [layer, 7];

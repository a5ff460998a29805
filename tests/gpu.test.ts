/**
 * The default job on the GPU device: the same losses as on the wasm device, step by step. WebGPU is SwiftShader's where
 * no GPU is.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGpuDevice } from '@lpr/tensor';
import { readMetrics } from '@lpr/runs';
import { afterAll, expect, it } from 'vitest';
import { cleanUp, runTrainer } from './end-to-end-cli.ts';

const work = mkdtempSync(join(tmpdir(), 'lpr-gpu-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

const hasWebGpu = await createGpuDevice({ mode: 'webgpu' }).then(
  (device) => device.dispose().then(() => true),
  () => false,
);
const STEPS = 12;

it.skipIf(!hasWebGpu)(
  `trains Qwen3-MoE with its own router and with LPR as wasm does${hasWebGpu ? '' : ' (skipped: no WebGPU adapter here)'}`,
  { timeout: 600_000 },
  async () => {
    const options = ['--preset', 'tiny', '--steps', String(STEPS), '--set', 'evaluation.tokens=512'];
    for (const device of ['gpu-software', 'wasm']) {
      const { code, stderr } = await runTrainer([
        'compare',
        ...options,
        '--device',
        device,
        '--out',
        join(work, device),
      ]);
      expect(code, stderr).toBe(0);
    }
    for (const router of ['top-k', 'lpr']) {
      const expected = await readMetrics(join(work, 'wasm', router));
      const actual = await readMetrics(join(work, 'gpu-software', router));
      expect(actual).toHaveLength(STEPS);
      for (const [i, { loss, totalLoss, gradientNorm }] of actual.entries()) {
        const at = `${router}, step ${i + 1}`;
        const wanted = expected[i]!;
        // Rounding differs, and grows from step to step: 3e-6 were seen after 30. A wrong gradient is off by far more.
        expect(Math.abs(loss - wanted.loss), at).toBeLessThan(1e-4);
        expect(Math.abs(totalLoss - wanted.totalLoss), at).toBeLessThan(1e-4);
        expect(Math.abs(gradientNorm / wanted.gradientNorm - 1), at).toBeLessThan(1e-3);
      }
      expect(actual.at(-1)!.loss).toBeLessThan(actual[0]!.loss - 0.2);
    }
  },
);

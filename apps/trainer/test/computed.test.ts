/** Results in docs/results that are computed, not trained: they are what the code computes. */
import { join } from 'node:path';
import { readResult } from '@lpr/results/node';
import { createWasmDevice, type WasmDevice } from '@lpr/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPUTED } from '../src/comparison/computed.ts';
import { hyperparameterTable } from '../src/comparison/hyperparameters.ts';
import { logitVarianceTable } from '../src/comparison/logit-variance.ts';
import { tokenTypeTable } from '../src/comparison/token-types.ts';

let device: WasmDevice;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 1 });
});
afterAll(async () => await device.dispose());

async function stored(name: string) {
  const result = await readResult(join(import.meta.dirname, '../../../docs/results', `${name}.json`));
  if (result.kind !== 'tables') throw new Error(`${name} holds no tables`);
  return result;
}

describe('stored computed results', () => {
  it('say what they are, and hold the hyperparameters of today (mend with `pnpm tables compute`)', async () => {
    for (const [name, { about }] of Object.entries(COMPUTED)) {
      expect(await stored(name)).toMatchObject({ about, commands: ['pnpm tables compute'] });
    }
    expect((await stored('hyperparameters')).tables).toEqual({ hyperparameters: hyperparameterTable() });
  });

  it('hold what token types allow on the text of the default job (mend with `pnpm tables compute`)', async () => {
    expect((await stored('token-types')).tables).toEqual({ types: await tokenTypeTable() });
  });

  it('hold what fresh routers do at growing width (mend with `pnpm tables compute`)', async () => {
    const widths = [16, 64, 256];
    const fresh = await logitVarianceTable(device, widths);
    const { routers } = (await stored('logit-variance')).tables;
    expect(routers).toMatchObject({ title: fresh.title, columns: fresh.columns });
    const rows = routers!.rows.filter(({ width }) => widths.includes(Number(width)));
    expect(rows).toHaveLength(fresh.rows.length);
    for (const [i, row] of fresh.rows.entries()) {
      for (const [key, value] of Object.entries(row)) {
        // Sums of products round otherwise where the processor multiplies and adds in one step.
        if (typeof value === 'number') expect(rows[i]![key], key).toBeCloseTo(value, 2);
        else expect(rows[i]![key]).toBe(value);
      }
    }
  });
});

describe('equation 8', () => {
  it('holds of logits, which sharpens weights and leaves choices; cosines of latents are bounded', async () => {
    const { rows } = (await stored('logit-variance')).tables['routers']!;
    const of = (router: string) => rows.filter((row) => row['router'] === router) as Record<string, number>[];
    const [wide, narrow, latent] = [...new Set(rows.map(({ router }) => router as string))].map(of);
    for (const [i, { width, variance }] of wide!.entries()) {
      expect(variance! / width!).toBeGreaterThan(0.97);
      expect(variance! / width!).toBeLessThan(1.03);
      expect(narrow![i]!['variance']! / (0.0004 * width!)).toBeCloseTo(variance! / width!, 2);
      // The same choices at any scale, up to d = 1024; beyond, probabilities underflow.
      if (width! <= 1024) expect(narrow![i]!['gini']).toBeCloseTo(wide![i]!['gini']!, 3);
      // Temperature 2, D 16.
      expect(latent![i]!['variance']).toBeCloseTo(4 / 16, 1);
      expect(latent![i]!['effective']).toBeGreaterThan(7.8);
    }
    const largest = wide!.map((row) => row['largestWeight']!);
    expect(largest).toEqual(largest.toSorted((a, b) => a - b));
    expect(largest.at(-1)).toBeGreaterThan(0.95);
  });
});

/** A case without LPR is what transformers writes: config.json and weights under its names. It loads as such. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeSafetensors, KeyValueCache } from '@lpr/model';
import { loadHuggingFace } from '@lpr/model/node';
import { concatenate, createWasmDevice, scope, slice } from '@lpr/tensor';
import { afterAll, expect, it } from 'vitest';
import { casesOf, Comparison } from './fixtures.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const cases = casesOf('model').filter(([, { info }]) => info.config['router_type'] === 'vanilla');

it.for(cases)('loads %s from a folder and reads token by token', async ([, fixture]) => {
  const folder = await mkdtemp(join(tmpdir(), 'lpr-parity-'));
  try {
    await writeFile(join(folder, 'config.json'), JSON.stringify(fixture.info.config));
    await writeFile(join(folder, 'model.safetensors'), encodeSafetensors(fixture.weights()));
    const decoder = await loadHuggingFace(device, folder);
    const comparison = new Comparison(fixture);
    await scope(device, async () => {
      const ids = fixture.tensor(device, 'in.input_ids');
      comparison.close('out.logits', await decoder.logits(ids).data());
      const cache = new KeyValueCache();
      const columns = Array.from({ length: ids.shape[1]! }, (_, t) => slice(ids, 1, t, t + 1));
      const logits = columns.map((column) => decoder.logits(column, { training: false }, cache));
      comparison.close('out.logits', await concatenate(logits, 1).data());
      cache.dispose();
    });
    expect(comparison.problems).toEqual([]);
    decoder.dispose();
  } finally {
    await rm(folder, { recursive: true });
  }
});

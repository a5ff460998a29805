/** How alike experts are, as a run's folder holds it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { filesIn } from '../src/run-files.ts';
import { RunFolder } from '../src/run-folder.ts';
import { readSimilarity, similarityTensors } from '../src/similarity.ts';
import type { DecodeTensors } from '../src/traces.ts';
import { useFolder } from './lines.ts';

const folder = useFolder();

const layers = [0, 2].map((layer) => ({
  layer,
  tokens: 8,
  similarity: [Float64Array.of(1, 0.5), Float64Array.of(0.5, 1)],
  independent: [Float64Array.of(0.25, 0.125), Float64Array.of(0.125, Number.NaN)],
}));

/** Any bytes stand for these tensors. */
const decoding =
  (tensors: ReturnType<DecodeTensors>): DecodeTensors =>
  () =>
    tensors;

it('comes back as it was written, the newest of a run', async () => {
  const path = join(folder(), 'run');
  const run = await RunFolder.create(path, {});
  const files = filesIn(path);
  expect(await readSimilarity(files, decoding(new Map()))).toEqual({
    missing: 'there is nothing in similarity/; trainer inspect RUN --similarity measures it',
  });
  await run.writeSimilarity(20, new Uint8Array(1));
  await run.writeSimilarity(5, new Uint8Array(1));
  await run.close();
  const read = await readSimilarity(files, decoding(similarityTensors(layers)));
  expect(read.value).toEqual({ step: 20, layers });
});

it('that is damaged says what is wrong', async () => {
  const path = join(folder(), 'run');
  await mkdir(join(path, 'similarity'), { recursive: true });
  await writeFile(join(path, 'similarity', 'step-000020.safetensors'), 'x');
  const missing = async (name: string, tensor: { shape: number[]; data: number[] } | null): Promise<string> => {
    const tensors = new Map(similarityTensors(layers) as ReturnType<DecodeTensors>);
    if (tensor === null) tensors.delete(name);
    else tensors.set(name, tensor);
    const read = await readSimilarity(filesIn(path), decoding(tensors));
    return 'missing' in read ? read.missing : 'nothing is missing';
  };
  const at = 'similarity/step-000020.safetensors: ';
  expect(await readSimilarity(filesIn(path), decoding(new Map()))).toEqual({
    missing: `${at}it has no tensor named like layers.0.similarity`,
  });
  expect(await missing('layers.0.independent', null)).toBe(`${at}layers.0.independent is missing or no square matrix`);
  for (const shape of [[2, 1], [4], [0, 0]]) {
    expect(await missing('layers.2.similarity', { shape, data: [] })).toBe(
      `${at}layers.2.similarity is missing or no square matrix`,
    );
  }
  expect(await missing('layers.0.tokens', null)).toBe(`${at}layers.0.tokens is no number of tokens`);
  expect(await missing('layers.0.tokens', { shape: [1], data: [1] })).toBe(
    `${at}layers.0.tokens is no number of tokens`,
  );
});

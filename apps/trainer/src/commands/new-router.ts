/** `pnpm trainer new-router`: a router from outside to begin with, and the test that holds it to what it says. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '@lpr/guard';
import { UsageError } from '../cli/errors.ts';
import { shown } from './shared.ts';

/**
 * Writes NAME.ts and NAME.test.ts.
 *
 * @throws UsageError where a file is there already, their folder cannot be made, or the name is none
 */
export async function newRouter(name: string, out: string): Promise<void> {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    throw new UsageError(
      `new-router ${name}: take lower-case words and digits with hyphens between, such as my-router`,
    );
  }
  await makeFolder(out).catch((error: unknown) => {
    throw new UsageError(
      `new-router ${name}: --out ${out}: cannot make that folder (${String(error)}); choose another`,
    );
  });
  for (const [file, text] of Object.entries({ [`${name}.ts`]: router(name), [`${name}.test.ts`]: test(name) })) {
    const path = join(out, file);
    await writeFile(path, text, { flag: 'wx' }).catch((error: unknown) => {
      throw new UsageError(`new-router ${name}: cannot write ${path} (${(error as Error).message})`);
    });
    console.log(shown(path));
  }
}

const router = (
  name: string,
): string => `/** What it does, where it comes from, and its equation: p = softmax(W x / temperature), the k most probable experts. */
import { defineRouter, fullChoices } from '@lpr/moe';
import { divide, linear, softmax, topK } from '@lpr/tensor';
import { weightSpec } from '@lpr/tensor/nn';

export default defineRouter({
  name: '${name}',
  // Settings: --set method.temperature=2 sets one otherwise.
  defaults: { temperature: 1 },
  rules: { temperature: 'positive' },
  // What is true of it; the test beside this file fails where something is not.
  traits: () => ({
    reads: { training: 'token', evaluation: 'token' },
    alike: true,
    fillsSlots: true,
    weightSum: null,
    takesLargest: true,
    onlyTopK: null,
    exactBalance: false,
    pooledLosses: false,
    expertTensors: ['weight'],
  }),
  // The tensors that it needs, by name.
  parameters: (_, { hidden, experts }) => [weightSpec('weight', [experts, hidden])],
  // x [tokens, hidden]; loss terms of its own go into losses, in training.
  route({ options, experts, topK: k, tensor }, x) {
    const logits = divide(linear(x, tensor('weight')), options.temperature);
    const probabilities = softmax(logits);
    const { values, indices } = topK(probabilities, k);
    return {
      ...fullChoices(indices, experts),
      weights: values,
      scores: logits,
      logits,
      losses: [],
      details: { selection: probabilities },
    };
  },
});
`;

const test = (
  name: string,
): string => `/** Holds the router to what every router must keep, and to what it says of itself. */
import { checkRouter } from '@lpr/moe/testing';
import { expect, it } from 'vitest';
import router from './${name}.ts';

it('keeps what every router must', async () => {
  expect(await checkRouter(router)).toEqual([]);
}, 60_000);
`;

/** What the files of a run say of the life of an expert, and how the page says it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeLoadHeader, encodeLoadWindow, encodeTrace } from '@lpr/metrics';
import { filesIn, RunFollower } from '@lpr/runs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { lifeOf } from '../page/life.ts';
import type { ExpertLife } from '../src/api.ts';
import { expertLife } from '../src/server/expert-life.ts';
import { temporaryFolder } from './folders.ts';

let folder: string;
let remove: () => Promise<void>;
beforeEach(async () => {
  ({ path: folder, remove } = await temporaryFolder());
});
afterEach(() => remove());

const SHAPE = { layers: 2, experts: 3, topK: 1 };

/** Expert 0 lives, expert 1 of layer 1 dies after a window, expert 2 of layer 1 never lived. */
async function writeLoads(windows: number, dies: number): Promise<void> {
  const records = Array.from({ length: windows }, (_, i) =>
    encodeLoadWindow(SHAPE, {
      step: 10 * (i + 1),
      tokens: 100,
      counts: [[40, 30, 30], i <= dies ? [96, 4, 0] : [100, 0, 0]],
    }),
  );
  await writeFile(join(folder, 'loads.bin'), Buffer.concat([encodeLoadHeader(SHAPE), ...records]));
}

async function writeTrace(step: number, chosen: readonly number[]): Promise<void> {
  await mkdir(join(folder, 'traces'), { recursive: true });
  const tokens = chosen.length;
  const trace = encodeTrace({
    ...{ layers: 2, experts: 3, slots: 1, tokens, domains: ['prose'], domainOf: new Uint16Array(tokens) },
    tokenIds: Int32Array.from({ length: tokens }, (_, i) => 70 + (i % 2)),
    chosen: Uint16Array.from([...chosen.map(() => 0), ...chosen]),
    weights: new Float32Array(2 * tokens).fill(1),
  });
  await writeFile(join(folder, `traces/step-${String(step).padStart(6, '0')}.trace`), trace);
}

const life = async (layer: number, expert: number): Promise<ExpertLife> => {
  const files = filesIn(folder);
  const textsOf = async (ids: readonly number[]) => ids.map((id) => String.fromCodePoint(id));
  return await expertLife({ follower: new RunFollower(files), files }, { layer, expert }, textsOf);
};

it('finds when an expert died, however long ago, and what it last saw', async () => {
  await writeLoads(1300, 2);
  await writeTrace(20, [1, 1, 1, 0]);
  await writeTrace(40, [0, 0, 0, 0]);
  await writeFile(join(folder, 'traces/step-000060.trace'), 'damaged');
  const dead = await life(1, 1);
  expect(dead).toEqual({
    training: {
      windows: 1300,
      step: 13_000,
      last: { after: 20, step: 30, load: 4, tokens: 100 },
      tokensSince: 129_700,
    },
    heldOut: {
      traces: 3,
      step: 60,
      last: {
        step: 20,
        tokens: 3,
        of: 4,
        most: [
          { text: 'F', count: 2 },
          { text: 'G', count: 1 },
        ],
      },
    },
  });
  expect(lifeOf(dead)).toEqual([
    'Training: dead since step 30. The last that it got were 4 of 100 tokens in steps 21 to 30; since then, until step 13,000, none of 129,700. Windows keep counts alone, so which tokens they were is not known.',
    'Held-out text: it last got 3 of 4 tokens at step 20, and none in the traces after it: "F" 2×, "G" 1×.',
  ]);
  expect(lifeOf(await life(1, 0))[0]).toBe(
    'Training: alive. It got 100 of 100 tokens in steps 12,991 to 13,000, the newest window.',
  );
  const never = await life(1, 2);
  expect(never.training).toEqual({ windows: 1300, step: 13_000, last: null, tokensSince: 130_000 });
  expect(lifeOf(never)).toEqual([
    'Training: dead from the start. It got none of 130,000 tokens in 1,300 windows until step 13,000.',
    'Held-out text: it got no token in the 3 newest traces, until step 60.',
  ]);
  await expect(life(2, 0)).rejects.toThrow('layer 2 has no expert 0: the run has 2 layers with experts 0 to 2');
});

it('says what cannot be known', async () => {
  expect(await life(0, 0)).toEqual({ training: null, heldOut: null });
  expect(lifeOf(await life(0, 0))).toEqual([
    'Training: no logging window has closed yet, so its load is not known.',
    'Held-out text: no evaluation left a routing trace, so which tokens it saw is not known.',
  ]);
});

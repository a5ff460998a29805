/**
 * `held-out-blocks.json`: the final evaluation in blocks of consecutive sequences of its text, from which follows how
 * far the text decides its results. Runs of earlier versions have none.
 */
import type { HeldOutBlock } from '@lpr/metrics';
import { z } from 'zod';
import { RUN_FILES } from './names.ts';
import { countSchema, issueText, stepSchema } from './plain.ts';
import { filesIn, type Part, readPart } from './run-files.ts';

const blocksSchema = z.strictObject({
  /** Of the evaluation. */
  step: stepSchema,
  blocks: z
    .array(
      z.strictObject({
        domain: z.string(),
        weight: z.number().gt(0),
        tokens: z.int().min(1),
        loss: z.number(),
        counts: z.array(z.array(countSchema).min(1)),
      }),
    )
    .min(1)
    .refine(
      (blocks) => new Set(blocks.map(({ counts }) => JSON.stringify(counts.map(({ length }) => length)))).size === 1,
      'blocks have different layers or experts',
    ),
});

/** The blocks of a final evaluation. */
export interface HeldOutBlocks {
  readonly step: number;
  readonly blocks: readonly HeldOutBlock[];
}

/** A block a line. */
export function encodeBlocks({ step, blocks }: HeldOutBlocks): string {
  const lines = blocks.map((block) =>
    JSON.stringify({ ...block, counts: block.counts.map((layer) => Array.from(layer)) }),
  );
  return `{"step":${step},"blocks":[\n${lines.join(',\n')}\n]}\n`;
}

/**
 * The blocks of a run's final evaluation.
 *
 * @param step of the evaluation: blocks of another one are none
 */
export async function readBlocks(folder: string, step: number): Promise<Part<readonly HeldOutBlock[]>> {
  return await readPart(filesIn(folder), RUN_FILES.blocks, async (file) => {
    const parsed = blocksSchema.safeParse(JSON.parse(await file.readFile('utf8')));
    if (!parsed.success) throw new Error(`it is damaged: ${issueText(parsed.error)}`);
    if (parsed.data.step !== step) throw new Error(`it is of step ${parsed.data.step}, the evaluation of step ${step}`);
    return parsed.data.blocks;
  });
}

/**
 * Which files a dataset's card gives for a configuration and split.
 */

import * as z from 'zod';
import type { HubSpec } from './spec.ts';

const filePatterns = z.union([z.string().transform((path) => [path]), z.array(z.string())]);

/** YAML reads a name such as 2023 as a number. */
const name = z.union([z.string(), z.number()]).transform(String);

/** What is used of a card; the hub checks the rest. */
const cardSchema = z.object({
  configs: z
    .array(
      z.object({
        config_name: name,
        default: z.boolean().optional(),
        data_dir: name.optional(),
        data_files: z.union([filePatterns, z.array(z.object({ split: name, path: filePatterns }))]).optional(),
      }),
    )
    .min(1),
});

/**
 * The globs of a split's files.
 *
 * Without a list of configurations, they are the files whose path has the split's name as a word of its own.
 *
 * @param cardData what the hub's API gives as `cardData`
 * @throws Error naming the configurations or splits that there are
 */
export function findDataFiles({ dataset, config, split = 'train' }: HubSpec, cardData: unknown): readonly string[] {
  const card = cardSchema.safeParse(cardData);
  if (!card.success) {
    if (config !== undefined) {
      throw new Error(
        `hub: the card of ${dataset} lists no configurations, so ${JSON.stringify(config)} cannot be found. ` +
          'Leave "config" out, or name the files by "paths".',
      );
    }
    return filesNamed('', split);
  }

  const { configs } = card.data;
  const names = configs.map(({ config_name }) => config_name).join(', ');
  const chosen =
    config === undefined
      ? (configs.find((candidate) => candidate.default === true || candidate.config_name === 'default') ??
        (configs.length === 1 ? configs[0] : undefined))
      : configs.find(({ config_name }) => config_name === config);
  if (chosen === undefined) {
    const found =
      config === undefined ? 'has several configurations' : `has no configuration ${JSON.stringify(config)}`;
    throw new Error(`hub: ${dataset} ${found}. Set "config" to one of: ${names}.`);
  }
  const folder = chosen.data_dir === undefined ? '' : `${literally(chosen.data_dir.replace(/\/+$/, ''))}/`;
  if (chosen.data_files === undefined) {
    return filesNamed(folder, split);
  }
  // Files without a split are those of `train`.
  const splits = chosen.data_files.map((entry) =>
    typeof entry === 'string' ? { split: 'train', path: [entry] } : entry,
  );
  const paths = splits.filter((entry) => entry.split === split).flatMap(({ path }) => path);
  if (paths.length === 0) {
    throw new Error(
      `hub: the configuration ${JSON.stringify(chosen.config_name)} of ${dataset} has no split ${JSON.stringify(split)}. ` +
        `Set "split" to one of: ${[...new Set(splits.map((entry) => entry.split))].join(', ')}.`,
    );
  }
  // Cards have plain globs, in which parentheses stand for themselves.
  return paths.map((path) => `${folder}${path.replace(/^\.?\//, '').replaceAll(/[()]/g, String.raw`\$&`)}`);
}

/** A glob that matches nothing but the path. */
function literally(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!+@|^$]/g, String.raw`\$&`);
}

function filesNamed(folder: string, split: string): string[] {
  return [`${folder}**/${split}[-._]*`, `${folder}**/*[-._]${split}[-._]*`, `${folder}**/${split}/**`];
}

/**
 * Which files a dataset's card gives for a configuration and split.
 */

import * as z from 'zod';
import { excerptOf } from '../excerpt.ts';
import type { HubSpec } from './spec.ts';

const PATHS = 'a path or a list of paths';
const FILES = `${PATHS}, or a list of which each entry has a "split" and a "path"`;
const CONFIGURATION = 'a configuration with its "config_name"';

const path = z.string(PATHS).min(1, PATHS);
const paths = z.union([path.transform((one) => [one]), z.array(path).min(1)], PATHS);

/** YAML reads a name such as 2023 as a number. */
const name = z.union([z.string(), z.number()], 'a name').transform(String);

interface SplitFiles {
  readonly split: string;
  readonly path: readonly string[];
}

/** Files without a split are those of `train`. */
const files = z.union(
  [
    paths.transform((path): SplitFiles[] => [{ split: 'train', path }]),
    z.array(z.object({ split: name, path: paths })).min(1, { abort: true }),
    z
      .record(z.string(), paths)
      .refine((all) => Object.keys(all).length > 0, { abort: true })
      .transform((all) => Object.entries(all).map(([split, path]) => ({ split, path }))),
  ],
  FILES,
);

/** What is used of a card. A field that is left empty, as null, is as one that is not there. */
const cardSchema = z
  .object(
    {
      configs: z
        .array(
          z.object(
            {
              config_name: name,
              default: z.boolean('true or false').nullish(),
              data_dir: name.nullish(),
              data_files: files.nullish(),
            },
            CONFIGURATION,
          ),
          'a list of configurations',
        )
        .nullish(),
    },
    'fields',
  )
  .nullish();

type Configuration = NonNullable<NonNullable<z.infer<typeof cardSchema>>['configs']>[number];

/**
 * The globs of a split's files.
 *
 * Without a list of configurations, they are the files whose path has the split's name as a word of its own.
 *
 * @param cardData what the hub's API gives as `cardData`
 * @throws Error naming the configurations or splits that there are, or the field of the card that does not fit
 */
export function findDataFiles({ dataset, config, split = 'train' }: HubSpec, cardData: unknown): readonly string[] {
  const configs = configsOf(dataset, cardData);
  if (configs.length === 0) {
    if (config !== undefined) {
      throw new Error(
        `hub: the card of ${dataset} lists no configurations, so ${JSON.stringify(config)} cannot be found. ` +
          'Leave "config" out, or name the files by "paths".',
      );
    }
    return filesNamed('', split);
  }

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
  const folder = plainPath(chosen.data_dir ?? '');
  const within = folder === '' ? '' : `${literally(folder)}/`;
  const splits = chosen.data_files;
  if (splits === undefined || splits === null) return filesNamed(within, split);
  const chosenPaths = splits.filter((entry) => entry.split === split).flatMap(({ path }) => path);
  if (chosenPaths.length === 0) {
    throw new Error(
      `hub: the configuration ${JSON.stringify(chosen.config_name)} of ${dataset} has no split ${JSON.stringify(split)}. ` +
        `Set "split" to one of: ${[...new Set(splits.map((entry) => entry.split))].join(', ')}.`,
    );
  }
  return chosenPaths.map((glob) => `${within}${plainGlob(plainPath(glob))}`);
}

function configsOf(dataset: string, cardData: unknown): readonly Configuration[] {
  const card = cardSchema.safeParse(cardData, { reportInput: true });
  if (card.success) return card.data?.configs ?? [];
  const { path: field, input, message } = card.error.issues[0]!;
  throw new Error(
    `hub: the card of ${dataset} does not say which files it has: ${['card', ...field].join('.')} is ` +
      `${excerptOf(input)}, expected ${message}. Name the files by "paths".`,
  );
}

/** Without the parts that lead nowhere: the dataset's own folder, however it is written. */
function plainPath(path: string): string {
  return path
    .split('/')
    .filter((part) => part !== '' && part !== '.')
    .join('/');
}

/** Cards have the globs of Python, in which all but `*`, `?` and brackets stands for itself. */
function plainGlob(glob: string): string {
  return glob.replaceAll(/[\\{}()|^+]/g, String.raw`\$&`);
}

/** A glob that matches nothing but the path. */
function literally(path: string): string {
  return path.replaceAll(/[\\*?[\]{}()!+@|^$]/g, String.raw`\$&`);
}

function filesNamed(folder: string, split: string): string[] {
  return [`${folder}**/${split}[-._]*`, `${folder}**/*[-._]${split}[-._]*`, `${folder}**/${split}/**`];
}

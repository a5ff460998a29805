/**
 * What sources are called that were given no domain: the shortest names that tell them apart.
 *
 * A file is named after itself, without its ending (`wiki.2023.txt`: `wiki.2023`), or with as many of its folders as it
 * takes (`en/train`, `fr/train`); several files after what their paths begin with (`wiki-*.txt`: `wiki`, `en/*.txt`:
 * `en`), or after their kind (`text`) where that is nothing; a dataset of the hub after itself, or with its
 * configuration, split and owner (`c4/en`, `c4/fr`). So a name does not depend on where the folder of all the text
 * lies.
 */

import { existsSync } from 'node:fs';
import { normalize, resolve } from 'node:path';
import type { HubSpec } from './spec.ts';

/**
 * Chooses a name for each source: the first of its names that no other source is called by. Sources that have one name
 * only, because it was given, keep it and may share it.
 *
 * @param names of each source, the shortest first; at least one
 */
export function chooseNames(names: readonly (readonly string[])[]): string[] {
  const tried = names.map(() => 0);
  for (;;) {
    const chosen = names.map((own, source) => own[tried[source]!]!);
    const uses = new Map<string, number>();
    for (const name of chosen) {
      uses.set(name, (uses.get(name) ?? 0) + 1);
    }
    const shared = [...names.keys()].filter(
      (source) => uses.get(chosen[source]!)! > 1 && tried[source]! + 1 < names[source]!.length,
    );
    if (shared.length === 0) {
      return chosen;
    }
    for (const source of shared) {
      tried[source]!++;
    }
  }
}

/** The names of a source of local files, the shortest first. */
export function pathNames(type: string, patterns: readonly string[]): string[] {
  const different = [...new Set(patterns.map((pattern) => normalize(pattern)))];
  const written = different.join(', ');
  if (different.length === 1 && existsSync(written)) {
    const path = resolve(written);
    return [...endingsOf(withoutEnding(path)), ...endingsOf(path)];
  }
  const common = commonStart(different);
  return [...(common === '' ? [type] : endingsOf(resolve(common))), written];
}

/** The names of a dataset of the hub, the shortest first. */
export function hubNames({ dataset, config, split = 'train', revision, paths }: HubSpec): string[] {
  const name = dataset.replace(/^.*\//, '');
  const part = config === undefined ? '' : `/${config}`;
  return [
    name,
    `${name}${part}`,
    `${name}${part}/${split}`,
    `${dataset}${part}/${split}`,
    `${dataset}${part}/${split}@${revision ?? 'main'}`,
    `${dataset}@${revision ?? 'main'}: ${(paths ?? []).join(', ')}`,
  ];
}

/** `/a/b/c`: `c`, `b/c`, `a/b/c`. */
function endingsOf(path: string): string[] {
  const parts = path.split(/[/\\]+/).filter((part) => part !== '');
  return parts.map((_, i) => parts.slice(-1 - i).join('/'));
}

/** A number is part of the name, not an ending. */
function withoutEnding(path: string): string {
  return path.replace(/\.(gz|zst|bz2|xz)$/i, '').replace(/(?<=[^/\\])\.[a-z][a-z0-9]*$/i, '');
}

/** What paths and globs begin with in common, in whole words; empty where that is no more than folders above. */
function commonStart(patterns: readonly string[]): string {
  const fixed = patterns.map((pattern) =>
    existsSync(pattern) ? pattern : pattern.replace(/([*?[{(]|[!+@]\().*$/s, ''),
  );
  let common = fixed.reduce((a, b) => {
    let length = 0;
    while (length < a.length && a[length] === b[length]) length++;
    return a.slice(0, length);
  });
  if (fixed.some((each) => each !== common)) {
    common = common.replace(/[^\s/\\._-]*$/, '');
  }
  return common.replace(/[\s/\\._-]+$/, '').replace(/^[./\\]+$/, '');
}

/** Versions of the packages that decide what a run computes, as its `environment.json` names them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export function packageVersions(): Record<string, string> {
  const names = ['tensor', 'moe', 'model', 'data', 'metrics'].map((name) => `@lpr/${name}`);
  return Object.fromEntries(names.map((name) => [name, versionOf(name)]));
}

function versionOf(name: string): string {
  const entry = createRequire(import.meta.url).resolve(name);
  // The entry lies in src or dist.
  const file = join(dirname(dirname(entry)), 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

/** Damage to the folder of a run that lies before a server, file by file. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { extname, join, relative } from 'node:path';
import { parse } from 'yaml';
import { pick, type Random } from '../random.ts';
import { mutateBytes, mutateData } from '../readers/mutate.ts';

/** Relative paths of all files of a folder. */
export function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .toSorted();
}

/** Content near that of a file: by its values where it is data, by its bytes otherwise. */
function near(name: string, content: Buffer, random: Random): Uint8Array {
  if (random() < 0.2) return mutateBytes(content, random);
  const text = content.toString('utf8');
  switch (extname(name)) {
    case '.json':
      return Buffer.from(JSON.stringify(mutateData(JSON.parse(text), random)) ?? '');
    case '.yaml':
      // As JSON, which YAML contains: of any depth.
      return Buffer.from(JSON.stringify(mutateData(parse(text), random)) ?? '');
    case '.jsonl': {
      const lines = text.trimEnd().split('\n');
      const line = pick(lines, random);
      const changed = JSON.stringify(mutateData(JSON.parse(line), random)) ?? 'undefined';
      return Buffer.from(`${lines.map((other) => (other === line ? changed : other)).join('\n')}\n`);
    }
    default:
      return mutateBytes(content, random);
  }
}

/** What may lie in the place of a file. */
const IN_PLACE_OF: Readonly<Record<string, (path: string) => void>> = {
  nothing: () => {},
  'an empty file': (path) => writeFileSync(path, ''),
  'a folder': (path) => mkdirSync(path),
  'a link out': (path) => symlinkSync('/etc/passwd', path),
  'a link to itself': (path) => symlinkSync(path, path),
  'a device': (path) => symlinkSync('/dev/zero', path),
  'a file of 8 GiB without content': (path) => {
    writeFileSync(path, '');
    truncateSync(path, 2 ** 33);
  },
  'a pipe': (path) => execFileSync('mkfifo', [path]),
};

/**
 * Lays a run into a folder that may be there, one to three of its files damaged.
 *
 * @returns what was done to which file
 */
export function layHostileRun(good: string, folder: string, random: Random): string[] {
  const beside = `${folder}.new`;
  rmSync(beside, { recursive: true, force: true });
  cpSync(good, beside, { recursive: true });
  const done: string[] = [];
  const names = filesOf(good);
  for (let times = 1 + Math.floor(3 * random()); times > 0; times--) {
    const name = pick(names, random);
    const path = join(beside, name);
    if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) continue;
    if (random() < 0.75) {
      writeFileSync(path, near(name, readFileSync(join(good, name)), random));
      done.push(`${name}: near`);
    } else {
      const kind = pick(Object.keys(IN_PLACE_OF), random);
      rmSync(path);
      IN_PLACE_OF[kind]!(path);
      done.push(`${name}: ${kind}`);
    }
  }
  // Now as another folder by that name, now file by file into the one that is there.
  if (random() < 0.5) {
    rmSync(folder, { recursive: true, force: true });
    renameSync(beside, folder);
  } else {
    mkdirSync(folder, { recursive: true });
    for (const name of readdirSync(beside)) {
      rmSync(join(folder, name), { recursive: true, force: true });
      renameSync(join(beside, name), join(folder, name));
    }
    rmSync(beside, { recursive: true });
  }
  return done;
}

/**
 * What can happen to the files of a run and of the cache while no process works on them. Each kind says whether it
 * found something to damage.
 */
import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { listCheckpoints, readCheckpoint } from '@lpr/runs';
import { cache } from '../end-to-end-cli.ts';
import { below, pick, type Random } from '../random.ts';

export type Damage = (run: string, random: Random) => Promise<boolean>;

export const DAMAGES: Readonly<Record<string, Damage>> = {
  'checkpoint cut short': onNewestCheckpoint(cutShort),
  'checkpoint with a flipped bit': onNewestCheckpoint(flipBit),
  'checkpoint file gone': onNewestCheckpoint((path) => rmSync(path)),
  'half a checkpoint': async (run) => {
    // As a process leaves it that was killed while it wrote.
    const folder = join(run, 'checkpoints', '.step-000777.tmp');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'model.safetensors'), 'half');
    return await Promise.resolve(true);
  },
  'log torn': async (run, random) => {
    const path = join(run, pick(LOGS, random));
    if (!existsSync(path)) return false;
    appendFileSync(path, Buffer.from('{"step": 12345, "lo'));
    return await Promise.resolve(true);
  },
  'log cut short': async (run, random) => {
    // What was logged after the oldest checkpoint that is left can be made again.
    const path = join(run, 'metrics.jsonl');
    if (!existsSync(path) || (await wholeCheckpoints(run)).length > 0) return false;
    truncateSync(path, below(statSync(path).size + 1, random));
    return true;
  },
  'cache cut short': onCache(cutShort),
  'cache with a flipped bit': onCache(flipBit),
  'cache file gone': onCache((path) => rmSync(path)),
  'lock cut short': async (run) => {
    writeFileSync(join(run, 'lock'), '{"pi');
    return await Promise.resolve(true);
  },
};

const LOGS = ['metrics.jsonl', 'evaluations.jsonl', 'loads.bin', 'events.out.tfevents.run'] as const;

/** Damages a file of the newest checkpoint, if another whole one is left. */
function onNewestCheckpoint(damage: (path: string, random: Random) => void): Damage {
  return async (run, random) => {
    const [newest, ...others] = await wholeCheckpoints(run);
    if (newest === undefined || others.length === 0) return false;
    damage(join(newest, pick(readdirSync(newest), random)), random);
    return true;
  };
}

/** Damages a trained tokenizer or the tokens of a text, which can be made again. */
function onCache(damage: (path: string, random: Random) => void): Damage {
  return async (_run, random) => {
    const files = readdirSync(cache, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    if (files.length === 0) return false;
    const { parentPath, name } = pick(files, random);
    damage(join(parentPath, name), random);
    return await Promise.resolve(true);
  };
}

/** Takes the final evaluation from a finished run, as if it had been killed before it was made. */
export function unfinish(run: string): void {
  const path = join(run, 'evaluations.jsonl');
  const lines = readFileSync(path, 'utf8').split('\n');
  writeFileSync(path, lines.filter((line) => !line.includes('"final":true')).join('\n'));
}

async function wholeCheckpoints(run: string): Promise<string[]> {
  const whole: string[] = [];
  for (const folder of await listCheckpoints(join(run, 'checkpoints'))) {
    await readCheckpoint(folder).then(
      () => whole.push(folder),
      () => {},
    );
  }
  return whole;
}

function cutShort(path: string, random: Random): void {
  truncateSync(path, below(statSync(path).size, random));
}

function flipBit(path: string, random: Random): void {
  const { size } = statSync(path);
  if (size === 0) return;
  const at = below(size, random);
  const file = openSync(path, 'r+');
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, at);
  byte[0]! ^= 1 << below(8, random);
  writeSync(file, byte, 0, 1, at);
  closeSync(file);
}

/**
 * Everything in the folder of a finished run, of a comparison or of a model that its settings decide, so that two can
 * be compared byte for byte.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** Measures of the machine and of the moment, in logs and in the summary of a comparison. */
const OF_THE_MACHINE: ReadonlySet<string> = new Set([
  ...['tokensPerSecond', 'phases', 'memory', 'ranks', 'stepTimeShares', 'device', 'threads'],
]);
const TIMED_TAG = /(?:speed|phases|memory|ranks)\/\w+/;
/** Bytes of a record before its data, and of the data's first field, the time. */
const RECORD_HEADER = 12;
const RECORD_FOOTER = 4;
const WALL_TIME = 9;

/** By file, a sum of what must be the same however often it was killed. */
export function decided(run: string): Record<string, string> {
  const files = readdirSync(run, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(run.length + 1))
    .filter((name) => !['config.yaml', 'environment.json'].includes(basename(name)))
    .toSorted();
  return Object.fromEntries(files.map((name) => [name, hash(contentOf(name, readFileSync(join(run, name))))]));
}

function contentOf(name: string, content: Buffer): Buffer | string {
  if (basename(name) === 'metrics.jsonl') {
    return content.toString('utf8').trimEnd().split('\n').map(withoutMachine).join('\n');
  }
  if (basename(name) === 'summary.json') return withoutMachine(content.toString('utf8'));
  return basename(name).startsWith('events.out.tfevents') ? withoutTimes(content) : content;
}

function withoutMachine(json: string): string {
  return JSON.stringify(JSON.parse(json, (key, value: unknown) => (OF_THE_MACHINE.has(key) ? undefined : value)));
}

/** The events of a TensorBoard file without their times, and less those that hold numbers of the machine. */
function withoutTimes(file: Buffer): string {
  const events: string[] = [];
  for (let at = 0; at < file.length; ) {
    const start = at + RECORD_HEADER;
    const end = start + Number(file.readBigUInt64LE(at));
    const event = file.subarray(start + WALL_TIME, end).toString('latin1');
    events.push(TIMED_TAG.test(event) ? 'a window' : event);
    at = end + RECORD_FOOTER;
  }
  return events.join('\n');
}

function hash(content: Buffer | string): string {
  return createHash('sha256').update(content).digest('hex');
}

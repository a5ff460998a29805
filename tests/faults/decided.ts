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

/**
 * By file, a sum of what must be the same however often it was killed.
 *
 * @param ofLast of each run the last checkpoint alone, where runs may have saved at other steps than these they keep
 */
export function decided(run: string, ofLast: boolean = false): Record<string, string> {
  const files = readdirSync(run, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(run.length + 1))
    .filter((name) => !['config.yaml', 'environment.json'].includes(basename(name)))
    .filter((name, _, all) => !ofLast || !isEarlierCheckpoint(name, all))
    .toSorted();
  return Object.fromEntries(files.map((name) => [name, hash(contentOf(name, readFileSync(join(run, name))))]));
}

/** Whether a file is of a checkpoint of a run that has a later one among these files. */
function isEarlierCheckpoint(name: string, all: readonly string[]): boolean {
  const checkpoint = /^(.*checkpoints\/)(step-\d+)\//;
  const [, run, step = ''] = checkpoint.exec(name) ?? [];
  return all.some((other) => {
    const [, otherRun, otherStep = ''] = checkpoint.exec(other) ?? [];
    // Steps have as many digits.
    return run !== undefined && otherRun === run && otherStep > step;
  });
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

/** Everything in a finished run folder that its settings decide, so that two runs can be compared byte for byte. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Figures of the machine and of the moment. */
const OF_THE_MACHINE = ['tokensPerSecond', 'phases', 'memory'] as const;
const TIMED_TAG = /(?:speed|phases|memory)\/\w+/;
/** Bytes of a record before its data, and of the data's first field, the time. */
const RECORD_HEADER = 12;
const RECORD_FOOTER = 4;
const WALL_TIME = 9;

/** By file, a sum of what must be the same however often the run was killed. */
export function decided(run: string): Record<string, string> {
  const files = readdirSync(run, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(run.length + 1))
    .filter((name) => !['config.yaml', 'environment.json'].includes(name))
    .toSorted();
  return Object.fromEntries(files.map((name) => [name, hash(contentOf(name, readFileSync(join(run, name))))]));
}

function contentOf(name: string, content: Buffer): Buffer | string {
  if (name === 'metrics.jsonl') return withoutMachine(content.toString('utf8'));
  return name.startsWith('events.out.tfevents') ? withoutTimes(content) : content;
}

function withoutMachine(lines: string): string {
  const decidedLines = lines
    .trimEnd()
    .split('\n')
    .map((line) => {
      const entries = Object.entries(JSON.parse(line) as object);
      return JSON.stringify(Object.fromEntries(entries.filter(([key]) => !OF_THE_MACHINE.includes(key as never))));
    });
  return decidedLines.join('\n');
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

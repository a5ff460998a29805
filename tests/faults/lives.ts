/**
 * Runs that are killed and damaged at random, again and again, until they end; each must end with the same bits as one
 * that nothing happened to.
 *
 * The trainer runs as a process of its own, as users run it, with everything that has state: moving averages, a
 * selection bias, noise, micro-batches, evaluations along the way.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Running, startTrainer } from '../end-to-end-cli.ts';
import { below, DAMAGES, pick, type Random } from './damage.ts';
import { decided } from './decided.ts';

const SETTINGS = [
  ['--preset', 'tiny', '--router', 'lpr', '--steps', '120'],
  ['training.checkpointEvery=6', 'training.logEvery=4', 'training.accumulation=2', 'data.batchSize=2'],
  ['training.gradientNormsEvery=3', 'evaluation.every=24', 'evaluation.tokens=1024'],
  ['lpr.scoreFrom=z', 'lpr.ema=hard', 'lpr.selectionBiasRate=0.001'],
].flatMap((values, i) => (i === 0 ? values : values.flatMap((value) => ['--set', value])));

/** Bytes that a file may have where the disk is to be full: less than a checkpoint takes, more than the logs do. */
const FULL_DISK_BYTES = 300_000;

/** Of a process before it is killed: some 30 steps. */
const MOST_LOGGED_BYTES = 20_000;

export interface Summary {
  /** Runs that were brought to their end. */
  lives: number;
  kills: number;
  /** Kills while a checkpoint was being written. */
  killsDuringWrites: number;
  /** Faults by kind. */
  readonly faults: Record<string, number>;
  /** Runs that did not end as the undisturbed one; what differed. */
  readonly losses: string[];
}

/**
 * Goes on for this long, then brings the run under way to its end.
 *
 * @param onLife told after each run
 */
export async function runLives(
  milliseconds: number,
  seed: number,
  onLife: (summary: Readonly<Summary>) => void = () => {},
): Promise<Summary> {
  const work = mkdtempSync(join(tmpdir(), 'lpr-faults-'));
  const random = randomOf(seed);
  const summary: Summary = { lives: 0, kills: 0, killsDuringWrites: 0, faults: {}, losses: [] };
  try {
    const undisturbed = join(work, 'undisturbed');
    const { code, stderr } = await startTrainer(['train', ...SETTINGS, '--out', undisturbed]).outcome;
    if (code !== 0) throw new Error(`the undisturbed run failed: ${stderr}`);
    const expected = decided(undisturbed);
    const end = Date.now() + milliseconds;
    do {
      const run = join(work, 'run');
      await live(run, () => Date.now() < end, random, summary);
      const actual = decided(run);
      const differing = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].filter(
        (file) => actual[file] !== expected[file],
      );
      if (differing.length > 0) summary.losses.push(`run ${summary.lives + 1}: ${differing.join(', ')}`);
      summary.lives++;
      onLife(summary);
      rmSync(run, { recursive: true });
    } while (Date.now() < end);
    return summary;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** One run from its start to its end, disturbed as long as `disturbed` says so. */
async function live(run: string, disturbed: () => boolean, random: Random, summary: Summary): Promise<void> {
  for (;;) {
    const isStarted = existsSync(join(run, 'config.yaml'));
    const args = isStarted ? ['resume', run] : ['train', ...SETTINGS, '--out', run];
    // Any number of threads gives the same bits.
    args.push('--threads', String(below(3, random)));
    const isFull = disturbed() && isStarted && random() < 0.15;
    const trainer = startTrainer(args, tmpdir(), isFull ? { fileBytes: FULL_DISK_BYTES } : {});
    const isKilled = !isFull && disturbed() && (await killAtRandom(run, trainer, random, summary));
    const { code, stderr } = await trainer.outcome;
    if (code === 0) return;
    if (isFull && stderr.includes('cannot write')) count(summary, 'disk full');
    else if (!isKilled) throw new Error(`the trainer ended by itself with ${code}: ${stderr}`);
    if (!existsSync(join(run, 'config.yaml')) || random() < 0.4) continue;
    const kind = pick(Object.keys(DAMAGES), random);
    if (await DAMAGES[kind]!(run, random)) count(summary, kind);
  }
}

function count(summary: Summary, fault: string): void {
  summary.faults[fault] = (summary.faults[fault] ?? 0) + 1;
}

/**
 * Kills the process at some moment: of its start, of its steps, or while it writes a checkpoint. Says whether it was
 * still running.
 */
async function killAtRandom(run: string, { child }: Running, random: Random, summary: Summary): Promise<boolean> {
  const leftovers = halfWritten(run);
  const isWriting = (): boolean => halfWritten(run).some((changed) => !leftovers.includes(changed));
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const moment = pick(['start', 'steps', 'steps', 'write', 'write'], random);
  if (moment === 'start') {
    await setTimeout(random() * 1500);
  } else {
    // By what was logged, so that a slow machine gets as far as a fast one.
    const until = logged(run) + 1 + random() * MOST_LOGGED_BYTES;
    while (isRunning() && logged(run) < until) await setTimeout(2);
    if (moment === 'steps') await setTimeout(random() * 50);
    else {
      while (isRunning() && !isWriting()) await setTimeout(0);
      await setTimeout(random() * 5);
    }
  }
  const during = isWriting();
  if (!isRunning() || !child.kill('SIGKILL')) return false;
  summary.kills++;
  if (during) summary.killsDuringWrites++;
  return true;
}

function logged(run: string): number {
  const path = join(run, 'metrics.jsonl');
  return existsSync(path) ? statSync(path).size : 0;
}

/**
 * When each half-written checkpoint last changed, in nanoseconds: those that killed processes left stay as they are.
 */
function halfWritten(run: string): bigint[] {
  const path = join(run, 'checkpoints');
  if (!existsSync(path)) return [];
  return readdirSync(path)
    .filter((name) => name.endsWith('.tmp'))
    .flatMap((name) => statSync(join(path, name), { bigint: true, throwIfNoEntry: false })?.ctimeNs ?? []);
}

/** Mulberry32: numbers in [0, 1) that a seed decides. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A summary as lines of text. */
export function describe({ lives, kills, killsDuringWrites, faults, losses }: Readonly<Summary>): string {
  const kinds = Object.entries(faults).map(([kind, number]) => `${kind} ${number}`);
  const lines = [
    `runs ${lives}  kills ${kills} (${killsDuringWrites} while a checkpoint was written)  losses ${losses.length}`,
    `faults: ${kinds.join(', ') || 'none'}`,
    ...losses,
  ];
  return lines.join('\n');
}

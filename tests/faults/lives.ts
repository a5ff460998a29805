/**
 * Errands that are killed and damaged at random, again and again, until they end; each must end with the same bits as
 * one that nothing happened to. The trainer runs as a process of its own, as users run it.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Running, startTrainer } from '../end-to-end-cli.ts';
import { below, pick, type Random, randomOf } from '../random.ts';
import { bundledTrainer } from '../soak/bundled.ts';
import { DAMAGES } from './damage.ts';
import { decided } from './decided.ts';
import { type Errand, errandsIn } from './errands.ts';

/** Bytes that a file may have where the disk is to be full: less than a checkpoint takes, more than the logs do. */
const FULL_DISK_BYTES = 300_000;

/** Of the attempts at a run. A disk that is full takes a process as long as a kill, so most are left to those. */
const FULL_DISK_SHARE = 0.05;

/** Of a process before it is killed: some 9 steps. */
const MOST_LOGGED_BYTES = 8_000;

export interface Summary {
  /** Errands that were brought to their end. */
  lives: number;
  /** By errand. */
  readonly kills: Record<string, number>;
  /** Kills while a checkpoint was being written. */
  killsDuringWrites: number;
  /** Faults by kind. */
  readonly faults: Record<string, number>;
  /** Errands that did not end as the undisturbed one; what differed. */
  readonly losses: string[];
}

/** Where an errand is done once with nothing in its way. */
interface Undisturbed {
  readonly errand: Errand;
  readonly milliseconds: number;
  readonly decided: Readonly<Record<string, string>>;
}

interface Disturbed extends Undisturbed {
  /** On lives so far, in milliseconds. */
  spent: number;
}

/**
 * Goes on for this long, then brings the errand under way to its end.
 *
 * @param onLife told after each
 */
export async function runLives(
  milliseconds: number,
  seed: number,
  onLife: (summary: Readonly<Summary>) => void = () => {},
): Promise<Summary> {
  const work = mkdtempSync(join(tmpdir(), 'lpr-faults-'));
  const random = randomOf(seed);
  const summary: Summary = { lives: 0, kills: {}, killsDuringWrites: 0, faults: {}, losses: [] };
  try {
    const errands: Disturbed[] = [];
    for (const errand of errandsIn(work)) {
      errands.push({ ...(await undisturbed(errand, join(work, errand.name))), spent: 0 });
    }
    const end = Date.now() + milliseconds;
    do {
      const chosen = leastDisturbed(errands, seed, summary.lives);
      const start = performance.now();
      const folder = join(work, 'disturbed');
      await live(chosen, folder, () => Date.now() < end, random, summary);
      const { errand, decided: expected } = chosen;
      const actual = decided(folder, errand.savesOnItsWay);
      const differing = [...new Set([...Object.keys(expected), ...Object.keys(actual)])].filter(
        (file) => actual[file] !== expected[file],
      );
      if (differing.length > 0) summary.losses.push(`${errand.name} ${summary.lives + 1}: ${differing.join(', ')}`);
      summary.lives++;
      chosen.spent += performance.now() - start;
      onLife(summary);
      rmSync(folder, { recursive: true });
    } while (Date.now() < end);
    return summary;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** The errand that had the least time so far; in turn at first, from one that the seed says. */
function leastDisturbed(errands: readonly Disturbed[], seed: number, lives: number): Disturbed {
  if (lives < errands.length) return errands[(seed + lives) % errands.length]!;
  return errands.reduce((least, each) => (each.spent < least.spent ? each : least));
}

async function undisturbed(errand: Errand, folder: string): Promise<Undisturbed> {
  const start = performance.now();
  const { code, stderr } = await startTrainer(errand.next(folder, 1)!, tmpdir(), { program: bundledTrainer }).outcome;
  if (code !== 0) throw new Error(`the undisturbed ${errand.name} failed: ${stderr}`);
  return { errand, milliseconds: performance.now() - start, decided: decided(folder, errand.savesOnItsWay) };
}

/** One errand from its start to its end, disturbed as long as `disturbed` says so. */
async function live(
  { errand, milliseconds }: Undisturbed,
  folder: string,
  disturbed: () => boolean,
  random: Random,
  summary: Summary,
): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    // Any number of threads gives the same bits.
    const args = errand.next(folder, below(3, random));
    if (args === null) return;
    const isFull = isRunFolder(errand, folder) && disturbed() && random() < FULL_DISK_SHARE;
    const limit = isFull ? { fileBytes: FULL_DISK_BYTES } : {};
    const trainer = startTrainer(args, tmpdir(), { program: bundledTrainer, ...limit });
    const moment = errand.isRun
      ? momentOfRun(folder, trainer, random)
      : untilMoment(shareUntil(errand, attempt) * milliseconds, random);
    const isKilled = !isFull && disturbed() && (await killAt(moment, folder, trainer, summary));
    if (isKilled) count(summary.kills, errand.name);
    const { code, stderr } = await trainer.outcome;
    if (code === 0) return;
    if (isFull && stderr.includes('cannot write')) count(summary.faults, 'disk full');
    else if (!isKilled) throw new Error(`${errand.name} ended by itself with ${code}: ${stderr}`);
    if (!isRunFolder(errand, folder) || random() < 0.4) continue;
    const kind = pick(Object.keys(DAMAGES), random);
    if (await DAMAGES[kind]!(folder, random)) count(summary.faults, kind);
  }
}

/** Whether a run lies there with files that can be damaged. */
function isRunFolder({ isRun }: Errand, folder: string): boolean {
  return isRun && existsSync(join(folder, 'config.yaml'));
}

function count(numbers: Record<string, number>, kind: string): void {
  numbers[kind] = (numbers[kind] ?? 0) + 1;
}

/** Kills the process at that moment. Says whether it was still running. */
async function killAt(
  moment: () => Promise<void>,
  run: string,
  { child }: Running,
  summary: Summary,
): Promise<boolean> {
  const isWriting = writing(run);
  await moment();
  const during = isWriting();
  if (!isRunning(child) || !child.kill('SIGKILL')) return false;
  if (during) summary.killsDuringWrites++;
  return true;
}

/**
 * Until when it may be killed, in shares of what it takes: so early that most attempts are killed, and more so where
 * what was done before need not be done again; where a busy machine lets it get nowhere, until more each time.
 */
function shareUntil({ goesOn = false }: Errand, attempt: number): number {
  return Math.min(1.5, (goesOn ? 0.5 : 1.1) * 1.05 ** attempt);
}

/** Some moment until this one. */
function untilMoment(milliseconds: number, random: Random): () => Promise<void> {
  return async () => await setTimeout(random() * milliseconds);
}

/** Some moment of a run's start, of its steps, or while it writes a checkpoint. */
function momentOfRun(run: string, { child }: Running, random: Random): () => Promise<void> {
  const moment = pick(['start', 'steps', 'steps', 'write', 'write'], random);
  if (moment === 'start') return untilMoment(1000, random);
  return async () => {
    const isWriting = writing(run);
    // By what was logged, so that a slow machine gets as far as a fast one.
    const until = logged(run) + 1 + random() * MOST_LOGGED_BYTES;
    while (isRunning(child) && logged(run) < until) await setTimeout(2);
    if (moment === 'steps') {
      await setTimeout(random() * 50);
      return;
    }
    while (isRunning(child) && !isWriting()) await setTimeout(0);
    await setTimeout(random() * 5);
  };
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** Tells from now on whether a checkpoint is being written. */
function writing(run: string): () => boolean {
  const leftovers = halfWritten(run);
  return () => halfWritten(run).some((changed) => !leftovers.includes(changed));
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

/** A summary as lines of text. */
export function describe({ lives, kills, killsDuringWrites, faults, losses }: Readonly<Summary>): string {
  const lines = [
    `brought to their end ${lives}  kills ${totalOf(kills)} (${killsDuringWrites} while a checkpoint was written)  losses ${losses.length}`,
    `kills of ${listed(kills)}`,
    `faults: ${listed(faults)}`,
    ...losses,
  ];
  return lines.join('\n');
}

/** Of all kinds together. */
export function totalOf(numbers: Readonly<Record<string, number>>): number {
  return Object.values(numbers).reduce((sum, number) => sum + number, 0);
}

function listed(numbers: Readonly<Record<string, number>>): string {
  return (
    Object.entries(numbers)
      .map(([kind, number]) => `${kind} ${number}`)
      .join(', ') || 'none'
  );
}

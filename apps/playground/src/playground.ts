/**
 * Both trainings in step: each takes its next step when both have taken their last, so that they have always seen the
 * same batches. Every change of what decides a training starts it anew.
 */
import type { Opening } from './messages.ts';
import type { Side } from './model.ts';
import { inWords } from './problems.ts';
import { Progress } from './progress.ts';
import type { RemoteTraining } from './remote-training.ts';
import type { Settings } from './settings.ts';
import type { Look } from './training.ts';

/** What is known of one model. */
export interface SideState {
  readonly side: Side;
  readonly device: string;
  readonly floor: number;
  readonly progress: Progress;
  readonly look: Look;
}

/** 'opening': models are being made. 'problem': nothing trains until something is changed. */
export type Status = 'opening' | 'paused' | 'running' | 'problem';

export interface PlaygroundState {
  readonly status: Status;
  readonly sides: readonly SideState[];
  /** Steps done by both. */
  readonly step: number;
  /** Of late; null while there is none to tell. */
  readonly stepsPerSecond: number | null;
  readonly problem: string | null;
}

/** What is trained. */
export interface Task {
  readonly settings: Settings;
  readonly text: string;
  readonly sample: string;
}

export interface PlaygroundOptions {
  /** Starts a worker. */
  readonly start: () => RemoteTraining;
  readonly threads: number;
  /** Resolves when the page can show another picture; steps wait for it. */
  readonly shown: () => Promise<void>;
  readonly now: () => number;
  readonly onChange: (state: PlaygroundState) => void;
}

/** It pauses by itself there, so that no page that was left open computes on and on. */
export const PAUSE_EVERY = 3000;
/** Milliseconds between looks, which cost about as much as a step. */
const LOOK_EVERY = 90;
/** Steps that the rate is taken over. */
const RATE_OVER = 30;

export function sidesOf({ routers }: Settings): readonly Side[] {
  return routers === 'both' ? ['lpr', 'own'] : [routers];
}

export class Playground {
  readonly #options: PlaygroundOptions;
  readonly #workers = new Map<Side, RemoteTraining>();
  #state: PlaygroundState = { status: 'opening', sides: [], step: 0, stepsPerSecond: null, problem: null };
  #task: Task | null = null;
  /** Counts openings: what belongs to an earlier one is dropped. */
  #opening = 0;
  /** Counts starts: of two loops, one that waits for a hidden page and one begun since, the later goes on. */
  #runs = 0;
  #stepping = false;
  #times: number[] = [];
  #lastLook = 0;

  constructor(options: PlaygroundOptions) {
    this.#options = options;
  }

  get state(): PlaygroundState {
    return this.#state;
  }

  /** Leaves off what is trained, which is about to be another task. */
  leave(): void {
    this.#opening++;
    this.#change({ status: 'opening', problem: null, stepsPerSecond: null });
  }

  /** Makes the models of a task, and trains them at once where that is wanted. */
  async open(task: Task, running: boolean): Promise<void> {
    this.leave();
    const opening = this.#opening;
    this.#task = task;
    this.#times = [];
    const { settings } = task;
    const sides = sidesOf(settings);
    for (const side of [...this.#workers.keys()].filter((each) => !sides.includes(each))) this.#closeOne(side);
    try {
      const opened = await Promise.all(
        sides.map(async (side): Promise<SideState> => {
          const request: Opening = { ...task, side, threads: this.#options.threads };
          return { side, progress: new Progress(), ...(await this.#workerOf(side).open(request)) };
        }),
      );
      if (opening !== this.#opening) return;
      this.#change({ status: 'paused', sides: opened, step: 0 });
    } catch (error) {
      if (opening === this.#opening) this.#fail(error);
      return;
    }
    if (running) this.start();
  }

  /** Trains until it is paused. */
  start(): void {
    if (this.#state.status !== 'paused') return;
    this.#times = [];
    this.#change({ status: 'running' });
    void this.#run();
  }

  pause(): void {
    if (this.#state.status === 'running') this.#change({ status: 'paused', stepsPerSecond: null });
  }

  /** One step of both. */
  async stepOnce(): Promise<void> {
    if (this.#state.status === 'paused' && !this.#stepping) await this.#step(true);
  }

  /** Follows the tokens of another sample. */
  async look(sample: string): Promise<void> {
    if (this.#task === null) return;
    this.#task = { ...this.#task, sample };
    if (this.#state.status !== 'paused') return;
    const opening = this.#opening;
    const { sides } = this.#state;
    try {
      const looks = await Promise.all(sides.map(({ side }) => this.#workerOf(side).look(sample)));
      if (opening !== this.#opening || sides !== this.#state.sides) return;
      this.#change({ sides: sides.map((each, i) => ({ ...each, look: looks[i]! })) });
    } catch (error) {
      if (opening === this.#opening) this.#fail(error);
    }
  }

  close(): void {
    this.#opening++;
    for (const side of [...this.#workers.keys()]) this.#closeOne(side);
  }

  async #run(): Promise<void> {
    const run = ++this.#runs;
    const goesOn = (): boolean => run === this.#runs && this.#state.status === 'running';
    while (goesOn()) {
      await this.#options.shown();
      if (!goesOn()) return;
      await this.#step(false);
      if (goesOn() && this.#state.step % PAUSE_EVERY === 0) this.pause();
    }
  }

  async #step(alone: boolean): Promise<void> {
    const opening = this.#opening;
    const { now } = this.#options;
    const looks = alone || now() - this.#lastLook >= LOOK_EVERY;
    if (looks) this.#lastLook = now();
    this.#stepping = true;
    try {
      const { sides } = this.#state;
      const sample = looks ? this.#task!.sample : null;
      const stepped = await Promise.all(sides.map(({ side }) => this.#workerOf(side).step(sample)));
      if (opening !== this.#opening) return;
      const after = sides.map((each, i): SideState => {
        const { step, look } = stepped[i]!;
        each.progress.add(step);
        return { ...each, look: look ?? each.look };
      });
      this.#times = [...this.#times, now()].slice(-RATE_OVER - 1);
      this.#change({ sides: after, step: stepped[0]!.step.step, stepsPerSecond: alone ? null : this.#rate() });
    } catch (error) {
      if (opening === this.#opening) this.#fail(error);
    } finally {
      this.#stepping = false;
    }
  }

  #rate(): number | null {
    const times = this.#times;
    return times.length < 5 ? null : (1000 * (times.length - 1)) / (times.at(-1)! - times[0]!);
  }

  #workerOf(side: Side): RemoteTraining {
    const worker = this.#workers.get(side) ?? this.#options.start();
    this.#workers.set(side, worker);
    return worker;
  }

  #closeOne(side: Side): void {
    this.#workers.get(side)?.close();
    this.#workers.delete(side);
  }

  #fail(error: unknown): void {
    // What is left of a worker after an error is not relied on.
    this.close();
    this.#change({ status: 'problem', stepsPerSecond: null, problem: inWords(error, this.#task!.settings) });
  }

  #change(changes: Partial<PlaygroundState>): void {
    this.#state = { ...this.#state, ...changes };
    this.#options.onChange(this.#state);
  }
}

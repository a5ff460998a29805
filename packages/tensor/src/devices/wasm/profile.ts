/**
 * Where the time of the queue goes: while a profile runs, the thread that finishes a command adds the time since the
 * one before to the sums of the command's label and of its kernel (assembly/runtime.ts).
 */
import { commandName } from './commands/encoding.ts';
import { now } from './host.ts';
import { KERNEL_TIMES, LABEL_TIMES, LABELS, OPCODES, PROFILING } from './layout.ts';

/** Milliseconds; `labels` and `kernels` each sum up to `busy`. */
export interface ProfileTimes {
  readonly total: number;
  /** Time in which some command ran; the rest of the total the queue was empty. */
  readonly busy: number;
  readonly labels: Readonly<Record<string, number>>;
  /** By the command's name in commands/. */
  readonly kernels: Readonly<Record<string, number>>;
}

/** Times the commands of a device between `start` and `stop`. */
export class Profile {
  readonly #words: Int32Array;
  readonly #labelTimes: Float64Array;
  readonly #kernelTimes: Float64Array;
  readonly #synchronize: () => Promise<void>;
  readonly #labels: string[] = [];
  #startedAt: number | null = null;

  /** @param control Byte address of the control block. */
  constructor(buffer: SharedArrayBuffer, control: number, synchronize: () => Promise<void>) {
    this.#words = new Int32Array(buffer, control);
    this.#labelTimes = new Float64Array(buffer, control + LABEL_TIMES, LABELS);
    this.#kernelTimes = new Float64Array(buffer, control + KERNEL_TIMES, OPCODES);
    this.#synchronize = synchronize;
  }

  /** The number under which commands carry a label. */
  idOf(label: string): number {
    const known = this.#labels.indexOf(label);
    if (known >= 0) return known;
    if (this.#labels.length === LABELS) {
      throw new RangeError(`wasm device: label "${label}" is one too many, at most ${LABELS} can be told apart`);
    }
    return this.#labels.push(label) - 1;
  }

  /** Waits for what was recorded, then starts to time commands. */
  async start(): Promise<void> {
    await this.#synchronize();
    this.#labelTimes.fill(0);
    this.#kernelTimes.fill(0);
    this.#words[PROFILING / 4] = 1;
    this.#startedAt = now();
  }

  /** Waits for what was recorded, stops and returns the times since `start`. */
  async stop(): Promise<ProfileTimes> {
    await this.#synchronize();
    const times = this.times();
    this.#words[PROFILING / 4] = 0;
    this.#startedAt = null;
    return times;
  }

  /** The times since `start` of what has run by now; nothing waits, and the profile goes on. */
  times(): ProfileTimes {
    if (this.#startedAt === null) throw new Error('profile: none runs; call profile.start first');
    return {
      total: now() - this.#startedAt,
      busy: this.#labelTimes.reduce((sum, time) => sum + time, 0),
      labels: timesByName(this.#labelTimes, (id) => this.#labels[id]!),
      kernels: timesByName(this.#kernelTimes, commandName),
    };
  }
}

function timesByName(times: Float64Array, nameOf: (id: number) => string): Record<string, number> {
  const entries = [...times.entries()].filter(([, time]) => time > 0);
  return Object.fromEntries(entries.map(([id, time]) => [nameOf(id), time]));
}

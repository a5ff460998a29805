/** A logging window: the loads, the time and the memory of the steps since the last line of figures. */
import {
  type BalanceReport,
  type Counts,
  type LayersReport,
  layersReport,
  LoadRecorder,
  type LoadShape,
} from '@lpr/metrics';
import type { Device, Profile, WasmDevice } from '@lpr/tensor';
import type { BalanceFigures, MetricsLine } from './logs.ts';
import type { StepReport } from './trainer.ts';

/** What a window comes to. */
export interface ClosedWindow {
  readonly tokens: number;
  readonly counts: readonly Counts[];
  readonly balance: LayersReport;
  /** What `metrics.jsonl` says of it. */
  readonly figures: Partial<MetricsLine>;
}

/** The part of a window that a checkpoint holds. */
export interface OpenWindow {
  readonly tokens: number;
  readonly counts: readonly (readonly number[])[];
}

export class LoggingWindow {
  readonly #device: Device;
  readonly #recorder: LoadRecorder;
  readonly #clock: StepClock;
  #tokens: number;

  /** @param open what was there when the run was saved */
  constructor(device: Device, shape: LoadShape, open: OpenWindow) {
    this.#device = device;
    this.#recorder = new LoadRecorder(shape);
    open.counts.forEach((counts, layer) => this.#recorder.add(layer, counts));
    this.#tokens = open.tokens;
    this.#clock = new StepClock(profileOf(device));
  }

  /** Begins to measure time. */
  async start(): Promise<void> {
    await this.#clock.start();
  }

  add({ counts, tokens }: StepReport): void {
    counts.forEach((loads, layer) => this.#recorder.add(layer, loads));
    this.#tokens += tokens;
    this.#clock.add(tokens);
  }

  /** Runs something whose time belongs to no step. */
  async pause<Result>(body: () => Promise<Result>): Promise<Result> {
    return await this.#clock.pause(body);
  }

  /** As a checkpoint holds it. */
  get open(): OpenWindow {
    return { tokens: this.#tokens, counts: this.#recorder.window().map((counts) => Array.from(counts)) };
  }

  /** Over the last closed window, or what there is of the first. */
  get tokensPerSecond(): number {
    return this.#clock.tokensPerSecond;
  }

  /** Over all windows that were closed; null before. */
  get overallTokensPerSecond(): number | null {
    return this.#clock.overall;
  }

  /**
   * Stops measuring. Gives the milliseconds since the start by part of the model, and idle; null on devices that do not
   * time what they run.
   */
  async stop(): Promise<Readonly<Record<string, number>> | null> {
    return await this.#clock.stop();
  }

  /** The window ends, and the next begins. */
  close(): ClosedWindow {
    const counts = this.#recorder.window();
    const balance = layersReport(counts);
    const tokens = this.#tokens;
    this.#recorder.reset();
    this.#tokens = 0;
    const phases = this.#clock.close();
    return {
      tokens,
      counts,
      balance,
      figures: {
        ...balanceFigures(balance.mean),
        worst: balanceFigures(balance.worst),
        tokensPerSecond: Math.round(this.#clock.tokensPerSecond),
        ...(phases === null ? {} : { phases }),
        memory: { host: process.memoryUsage.rss(), device: this.#device.memory.peakBytes },
      },
    };
  }
}

/** As logs name them. */
export function balanceFigures({ gini, minMax, maxViolation }: BalanceReport): BalanceFigures {
  return { gini, minMax, maxVio: maxViolation };
}

/** Only the wasm device times what it runs. */
function profileOf(device: Device): Profile | null {
  return 'profile' in device ? (device as WasmDevice).profile : null;
}

/** Time of the steps of a window and of all windows, less pauses. */
class StepClock {
  readonly #profile: Profile | null;
  #startedAt = performance.now();
  #tokens = 0;
  #steps = 0;
  #last: number | null = null;
  #allTokens = 0;
  #allMilliseconds = 0;
  /** Times by part: at the start of the window, and of all pauses. */
  #before: Readonly<Record<string, number>> = {};
  #paused: Readonly<Record<string, number>> = {};

  constructor(profile: Profile | null) {
    this.#profile = profile;
  }

  async start(): Promise<void> {
    await this.#profile?.start();
    this.#startedAt = performance.now();
  }

  async stop(): Promise<Readonly<Record<string, number>> | null> {
    const parts = this.#parts();
    await this.#profile?.stop();
    return this.#profile === null ? null : parts;
  }

  add(tokens: number): void {
    this.#tokens += tokens;
    this.#steps++;
  }

  async pause<Result>(body: () => Promise<Result>): Promise<Result> {
    const at = performance.now();
    const before = this.#parts();
    const result = await body();
    this.#startedAt += performance.now() - at;
    for (const [part, time] of Object.entries(this.#parts())) {
      this.#paused = { ...this.#paused, [part]: (this.#paused[part] ?? 0) + time - (before[part] ?? 0) };
    }
    return result;
  }

  get tokensPerSecond(): number {
    return this.#last ?? this.#current();
  }

  get overall(): number | null {
    return this.#allTokens === 0 ? null : (1000 * this.#allTokens) / this.#allMilliseconds;
  }

  /** Milliseconds a step by part; null where they are not known. */
  close(): Record<string, number> | null {
    this.#last = this.#current();
    this.#allTokens += this.#tokens;
    this.#allMilliseconds += performance.now() - this.#startedAt;
    const steps = this.#steps;
    const now = this.#parts();
    const phases = Object.entries(now).map(([part, time]) => {
      const milliseconds = (time - (this.#before[part] ?? 0)) / steps;
      return [part, Math.round(1000 * milliseconds) / 1000] as const;
    });
    this.#before = now;
    this.#startedAt = performance.now();
    this.#tokens = 0;
    this.#steps = 0;
    return this.#profile === null ? null : Object.fromEntries(phases);
  }

  /** Milliseconds since the start, less pauses, by part of the model, and idle. */
  #parts(): Record<string, number> {
    if (this.#profile === null) return {};
    const { labels, total, busy } = this.#profile.times();
    const parts = Object.entries({ ...labels, idle: total - busy });
    return Object.fromEntries(parts.map(([part, time]) => [part, time - (this.#paused[part] ?? 0)]));
  }

  #current(): number {
    return (1000 * this.#tokens) / (performance.now() - this.#startedAt);
  }
}

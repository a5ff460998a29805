/** A logging window: the loads, the time and the memory of the steps since the last one closed. */
import { type Counts, type LayersReport, layersReport, LoadRecorder, type LoadShape } from '@lpr/metrics';
import { balanceOf, type CheckpointState, type MetricsLine } from '@lpr/runs';
import type { Device, Profile, WasmDevice } from '@lpr/tensor';
import { meanReport, type RanksReport } from './parallel/ranks-report.ts';
import type { StepReport } from './trainer.ts';

/** What a window comes to. */
export interface ClosedWindow {
  readonly tokens: number;
  readonly counts: readonly Counts[];
  /** null for a model without experts. */
  readonly balance: LayersReport | null;
  /** What `metrics.jsonl` says of it. */
  readonly line: Pick<MetricsLine, 'balance' | 'tokensPerSecond' | 'phases' | 'memory' | 'ranks'>;
}

/** The part of a window that a checkpoint holds. */
export type OpenWindow = CheckpointState['window'];

export class LoggingWindow {
  readonly #device: Device;
  readonly #recorder: LoadRecorder | null;
  readonly #clock: StepClock;
  #tokens: number;
  #ranks: RanksReport[] = [];

  /**
   * @param shape of the loads; null for a model without experts
   * @param open what was there when the run was saved
   */
  constructor(device: Device, shape: LoadShape | null, open: OpenWindow) {
    this.#device = device;
    this.#recorder = shape === null ? null : new LoadRecorder(shape);
    open.counts.forEach((counts, layer) => this.#recorder?.add(layer, counts));
    this.#tokens = open.tokens;
    this.#clock = new StepClock(profileOf(device));
  }

  /** Begins to measure time. */
  async start(): Promise<void> {
    await this.#clock.start();
  }

  add({ counts, tokens, ranks }: StepReport): void {
    if (ranks !== undefined) this.#ranks.push(ranks);
    counts.forEach((loads, layer) => this.#recorder?.add(layer, loads));
    this.#tokens += tokens;
    this.#clock.add(tokens);
  }

  /** Runs something whose time belongs to no step. */
  async pause<Result>(body: () => Promise<Result>): Promise<Result> {
    return await this.#clock.pause(body);
  }

  /** As a checkpoint holds it. */
  get open(): OpenWindow {
    return { tokens: this.#tokens, counts: this.#counts.map((counts) => Array.from(counts)) };
  }

  /** Of each layer with experts. */
  get #counts(): Float64Array[] {
    return this.#recorder?.window() ?? [];
  }

  /** Over the last closed window, or what there is of the first. */
  get tokensPerSecond(): number {
    return this.#clock.tokensPerSecond;
  }

  /** Stops measuring. */
  async stop(): Promise<void> {
    await this.#clock.stop();
  }

  /** The window ends, and the next begins. */
  close(): ClosedWindow {
    const counts = this.#counts;
    const balance = counts.length === 0 ? null : layersReport(counts);
    const tokens = this.#tokens;
    this.#recorder?.reset();
    this.#tokens = 0;
    const phases = this.#clock.close();
    const ranks = meanReport(this.#ranks);
    this.#ranks = [];
    return {
      tokens,
      counts,
      balance,
      line: {
        ...(balance === null ? {} : { balance: balanceOf(balance) }),
        tokensPerSecond: Math.round(this.#clock.tokensPerSecond),
        ...(phases === null ? {} : { phases }),
        ...(ranks === null ? {} : { ranks }),
        memory: { host: process.memoryUsage.rss(), device: this.#device.memory.peakBytes },
      },
    };
  }
}

/** Only the wasm device times what it runs. */
function profileOf(device: Device): Profile | null {
  return 'profile' in device ? (device as WasmDevice).profile : null;
}

/** Time of the steps of a window, less pauses. */
class StepClock {
  readonly #profile: Profile | null;
  #startedAt = performance.now();
  #tokens = 0;
  #steps = 0;
  #last: number | null = null;
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

  async stop(): Promise<void> {
    await this.#profile?.stop();
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

  /** Milliseconds a step by part; null where they are not known. */
  close(): Record<string, number> | null {
    this.#last = this.#current();
    const steps = this.#steps;
    const now = this.#parts();
    const phases = Object.entries(now).map(([part, time]) => {
      const milliseconds = (time - (this.#before[part] ?? 0)) / steps;
      // Clocks of several threads differ by a little, which may be more than a part took.
      return [part, Math.max(0, Math.round(1000 * milliseconds) / 1000)] as const;
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
    // A step may be shorter than the clock's tick.
    return (1000 * this.#tokens) / Math.max(performance.now() - this.#startedAt, 0.001);
  }
}

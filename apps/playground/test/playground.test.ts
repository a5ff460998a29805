/** Both trainings in step, with workers that are played. */
import { describe, expect, it, vi } from 'vitest';
import type { Answer, Request } from '../src/messages.ts';
import { PAUSE_EVERY, Playground, type PlaygroundState, type Task } from '../src/playground.ts';
import { RemoteTraining, type WorkerPort } from '../src/remote-training.ts';
import { DEFAULT_STATE, type Settings } from '../src/settings.ts';

const look = { step: 0, sample: ['a'], cut: 0, layers: [] };

/** A worker that answers at once, but for what it is told not to. */
class PlayedWorker implements WorkerPort {
  onmessage: WorkerPort['onmessage'] = null;
  onerror: WorkerPort['onerror'] = null;
  readonly asked: Request[] = [];
  ended = false;
  /** What it says in place of its next answer. */
  fault: Answer | null = null;
  #steps = 0;

  postMessage(request: Request): void {
    this.asked.push(request);
    const answer = this.fault ?? this.#answer(request);
    queueMicrotask(() => this.ended || this.onmessage?.({ data: answer }));
  }

  terminate(): void {
    this.ended = true;
  }

  #answer(request: Request): Answer {
    if (request.kind === 'look') return { kind: 'looked', look: { ...look, sample: [request.sample] } };
    if (request.kind === 'step') {
      const step = { step: ++this.#steps, loss: 5, counts: [Int32Array.of(1, 1)] };
      return { kind: 'stepped', step, look: request.sample === null ? null : { ...look, step: step.step } };
    }
    this.#steps = 0;
    return { kind: 'opened', device: 'played', look, floor: 0.01 };
  }
}

function played() {
  const workers: PlayedWorker[] = [];
  const states: PlaygroundState[] = [];
  let time = 0;
  const playground = new Playground({
    start: () => {
      const worker = new PlayedWorker();
      workers.push(worker);
      return new RemoteTraining(worker);
    },
    threads: 3,
    shown: () => new Promise((resolve) => setTimeout(resolve)),
    now: () => (time += 10),
    onChange: (state) => states.push(state),
  });
  return { playground, workers, states };
}

const task = (changes: Partial<Settings> = {}): Task => ({
  settings: { ...DEFAULT_STATE.settings, ...changes },
  text: 'a text',
  sample: 'a sample',
});

const untilStep = (playground: Playground, step: number): Promise<void> =>
  vi.waitFor(() => expect(playground.state.step).toBeGreaterThanOrEqual(step), { interval: 1 });

describe('a playground', () => {
  it('opens both models, takes steps of both, and pauses', async () => {
    const { playground, workers, states } = played();
    await playground.open(task(), false);
    expect(states.map(({ status }) => status)).toEqual(['opening', 'paused']);
    expect(workers.map(({ asked }) => asked[0])).toEqual(
      ['lpr', 'own'].map((side) => ({ kind: 'open', ...task(), side, threads: 3 })),
    );
    await playground.stepOnce();
    expect(playground.state).toMatchObject({ status: 'paused', step: 1, stepsPerSecond: null });
    playground.start();
    await untilStep(playground, 20);
    expect(playground.state.stepsPerSecond).toBeGreaterThan(1);
    playground.pause();
    const { step } = playground.state;
    expect(playground.state.sides.map(({ progress }) => progress.steps)).toEqual([step, step]);
    await new Promise((resolve) => setTimeout(resolve, 20));
    // The step under way is told, no more.
    expect(playground.state.step).toBeLessThanOrEqual(step + 1);
    expect(workers).toHaveLength(2);
  });

  it('looks at the models now and then while it runs, and at each single step', async () => {
    const { playground, workers } = played();
    await playground.open(task(), true);
    await untilStep(playground, 40);
    playground.pause();
    const samples = workers[0]!.asked.flatMap((request) => (request.kind === 'step' ? [request.sample] : []));
    const looked = samples.filter((sample) => sample === 'a sample').length;
    expect(looked).toBeGreaterThan(2);
    expect(looked).toBeLessThan(samples.length / 2);
    await vi.waitFor(() => playground.stepOnce());
    expect(workers[0]!.asked.at(-1)).toEqual({ kind: 'step', sample: 'a sample' });
  });

  it('starts anew with other settings, with the workers that it has', async () => {
    const { playground, workers } = played();
    await playground.open(task(), true);
    await untilStep(playground, 3);
    await playground.open(task({ experts: 8 }), true);
    await untilStep(playground, 5);
    expect(playground.state.sides[0]!.progress.steps).toBe(playground.state.step);
    expect(workers).toHaveLength(2);
    await playground.open(task({ routers: 'own' }), true);
    expect(workers.map(({ ended }) => ended)).toEqual([true, false]);
    await untilStep(playground, 2);
    expect(playground.state.sides.map(({ side }) => side)).toEqual(['own']);
    playground.close();
  });

  it('drops what an earlier opening was still doing', async () => {
    const { playground } = played();
    const first = playground.open(task({ layers: 1 }), true);
    const second = playground.open(task({ layers: 3 }), false);
    await Promise.all([first, second]);
    expect(playground.state).toMatchObject({ status: 'paused', step: 0 });
    await playground.stepOnce();
    expect(playground.state.sides.map(({ progress }) => progress.steps)).toEqual([1, 1]);
  });

  it('follows another sample at once while it is paused', async () => {
    const { playground } = played();
    await playground.open(task(), false);
    await playground.look('another');
    expect(playground.state.sides.map(({ look: { sample } }) => sample)).toEqual([['another'], ['another']]);
  });

  it('says what went wrong in a worker, and opens again', async () => {
    const { playground, workers } = played();
    await playground.open(task(), true);
    await untilStep(playground, 2);
    workers[1]!.fault = { kind: 'failed', name: 'DivergedError', message: 'training diverged' };
    await vi.waitFor(() => expect(playground.state.status).toBe('problem'));
    expect(playground.state.problem).toMatch(/ran away/);
    expect(workers.every(({ ended }) => ended)).toBe(true);
    await playground.open(task(), false);
    expect(playground.state).toMatchObject({ status: 'paused', problem: null, step: 0 });
    workers.at(-1)!.onerror!({ message: 'gone' });
    await playground.stepOnce();
    expect(playground.state.problem).toMatch(/gone/);
  });

  it('says so where it cannot open', async () => {
    const { playground, workers } = played();
    await playground.open(task(), false);
    workers[0]!.fault = { kind: 'failed', name: 'TextError', message: 'Too short.' };
    await playground.open(task(), true);
    expect(playground.state).toMatchObject({ status: 'problem', problem: 'Too short.' });
  });

  it(`pauses by itself after ${PAUSE_EVERY} steps, and goes on when asked`, async () => {
    const { playground } = played();
    const quick = new Playground({
      start: () => new RemoteTraining(new PlayedWorker()),
      threads: 0,
      shown: () => Promise.resolve(),
      now: () => 0,
      onChange: () => {},
    });
    playground.close();
    await quick.open(task(), true);
    await vi.waitFor(() => expect(quick.state).toMatchObject({ status: 'paused', step: PAUSE_EVERY }), {
      timeout: 30_000,
    });
    quick.start();
    await untilStep(quick, PAUSE_EVERY + 2);
    quick.close();
  });
});

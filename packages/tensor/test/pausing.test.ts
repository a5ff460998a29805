/** Computations that pause, and rows that ranks exchange. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type AllToAll,
  atOnce,
  awaited,
  backward,
  backwardPausing,
  createWasmDevice,
  type Device,
  exchangeRows,
  labelledPausing,
  multiply,
  parameter,
  pauseFor,
  type Pausing,
  pausingScope,
  type RowExchange,
  sum,
  type Tensor,
  tensor,
} from '../src/index.ts';

let device: Device;
beforeAll(async () => {
  device = await createWasmDevice({ threads: 0 });
});
afterAll(() => device.dispose());

/** Ranks whose rows are copied between them when all have sent. `counts[from][to]`. */
function ranksOf(counts: readonly (readonly number[])[]): RowExchange[] {
  interface Sent {
    readonly parts: Float32Array[];
    readonly into: Float32Array;
    readonly done: () => void;
  }
  const waiting = new Map<number, Sent>();
  const allToAllOf =
    (rank: number): AllToAll =>
    async (send, sent, into) => {
      await new Promise<void>((done) => {
        let end = 0;
        waiting.set(rank, { parts: sent.map((length) => send.slice(end, (end += length))), into, done });
        if (waiting.size < counts.length) return;
        const all = counts.map((_, from) => waiting.get(from)!);
        waiting.clear();
        for (const [to, { into: place, done: resolve }] of all.entries()) {
          let at = 0;
          for (const { parts } of all) {
            place.set(parts[to]!, at);
            at += parts[to]!.length;
          }
          resolve();
        }
      });
    };
  return counts.map((sent, rank) => ({
    sent,
    received: counts.map((from) => from[rank]!),
    allToAll: allToAllOf(rank),
  }));
}

const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
const back = ({ sent, received, allToAll }: RowExchange): RowExchange => ({ sent: received, received: sent, allToAll });

/** A device a rank, since the scopes of one may not lie beside each other. */
async function onRanks<T>(
  exchanges: readonly RowExchange[],
  body: (device: Device, exchange: RowExchange, rank: number) => Pausing<T>,
): Promise<T[]> {
  return await Promise.all(
    exchanges.map(async (exchange, rank) => {
      const own = await createWasmDevice({ threads: 0 });
      try {
        return await awaited(pausingScope(own, () => body(own, exchange, rank)));
      } finally {
        expect(own.memory.liveBuffers).toBe(0);
        await own.dispose();
      }
    }),
  );
}

const anyCounts = fc
  .integer({ min: 1, max: 4 })
  .chain((size) =>
    fc.array(fc.array(fc.nat(3), { minLength: size, maxLength: size }), { minLength: size, maxLength: size }),
  );

describe('exchangeRows', () => {
  it('brings rows there and back, with zeros behind those that come', async () => {
    await fc.assert(
      fc.asyncProperty(anyCounts, fc.integer({ min: 1, max: 3 }), fc.nat(2), async (counts, width, more) => {
        const read = await onRanks(ranksOf(counts), function* (own, exchange, rank) {
          const rows = total(exchange.sent) + more;
          const values = Float32Array.from({ length: rows * width }, (_, i) => 1000 * rank + i + 1);
          const there = yield* exchangeRows(tensor(own, values, [rows, width]), exchange);
          const again = yield* exchangeRows(there, back(exchange), rows);
          return { values, there: yield* pauseFor(there.dataF32()), again: yield* pauseFor(again.dataF32()) };
        });
        for (const [rank, { values, there, again }] of read.entries()) {
          const sent = total(counts[rank]!) * width;
          expect([...again]).toEqual(Array.from(values, (value, i) => (i < sent ? value : 0)));
          // In the order of the ranks, and of each in its own.
          const expected = read.flatMap((other, from) => {
            const start = total(counts[from]!.slice(0, rank)) * width;
            return [...other.values.subarray(start, start + counts[from]![rank]! * width)];
          });
          expect([...there]).toEqual(expected);
        }
      }),
      { numRuns: 25 },
    );
  });

  it('sends gradients back to where the rows came from, as central differences have them', async () => {
    const counts = [
      [1, 2],
      [0, 3],
    ];
    const start = [0, 1].map((rank) => Float32Array.from({ length: 4 * 2 }, (_, i) => Math.sin(1 + 7 * rank + i)));
    /** Sum over the ranks of the sum of what came, cubed; with the gradients of each rank's rows. */
    const lossOf = async (values: readonly Float32Array[]): Promise<{ loss: number; gradients: number[][] }> => {
      const parts = await onRanks(ranksOf(counts), function* (own, exchange, rank) {
        const x = parameter(own, values[rank]!, [4, 2]);
        const there = yield* exchangeRows(x, exchange, 5);
        const loss = sum(multiply(there, multiply(there, there)));
        yield* backwardPausing(loss);
        const result = { loss: yield* pauseFor(loss.item()), gradient: [...(yield* pauseFor(x.grad!.dataF32()))] };
        x.dispose();
        return result;
      });
      return { loss: total(parts.map(({ loss }) => loss)), gradients: parts.map(({ gradient }) => gradient) };
    };
    const { gradients } = await lossOf(start);
    const STEP = 1e-2;
    for (const [rank, values] of start.entries()) {
      for (const i of values.keys()) {
        const moved = async (by: number): Promise<number> =>
          (await lossOf(start.with(rank, values.with(i, values[i]! + by)))).loss;
        const difference = ((await moved(STEP)) - (await moved(-STEP))) / (2 * STEP);
        expect(gradients[rank]![i]).toBeCloseTo(difference, 2);
      }
    }
  });

  it('says what it cannot do', async () => {
    const [exchange] = ranksOf([[2]]);
    const run = (rows: number, height?: number): (() => unknown) => {
      return () =>
        atOnce(
          pausingScope(device, () => exchangeRows(tensor(device, [1, 1, 1], [rows, 3 / rows]), exchange!, height)),
        );
    };
    expect(run(1)).toThrow('exchangeRows: x [1, 3] cannot give 2 rows, or 2 rows hold 2');
    expect(run(3, 1)).toThrow('exchangeRows: x [3, 1] cannot give 2 rows, or 1 rows hold 2');
    expect(run(3)).toThrow('this waits for other ranks, and cannot be computed at once: await its pausing form');
    expect(device.memory.liveBuffers).toBe(0);
  });
});

describe('a pausing computation', () => {
  function* pausing(x: Tensor, wait: Promise<number>): Pausing<Tensor> {
    return multiply(x, yield* pauseFor(wait));
  }

  it('gives what it comes to, under its label, and hands on what fails where it paused', async () => {
    const before = device.label;
    const value = await awaited(
      pausingScope(device, function* () {
        const twice = yield* labelledPausing(device, 'experts', pausing(tensor(device, [2]), Promise.resolve(21)));
        return yield* pauseFor(twice.item());
      }),
    );
    expect(value).toBe(42);
    const failing = awaited(
      pausingScope(device, () =>
        labelledPausing(device, 'experts', pausing(tensor(device, [2]), Promise.reject(new Error('a rank is gone')))),
      ),
    );
    await expect(failing).rejects.toThrow('a rank is gone');
    expect([device.label, device.memory.liveBuffers]).toEqual([before, 0]);
  });

  it('goes on where it catches what failed', async () => {
    function* patient(): Pausing<string> {
      try {
        return yield* pauseFor(Promise.reject<string>(new Error('late')));
      } catch (error) {
        return `${(error as Error).message}, ${yield* pauseFor(Promise.resolve('but there'))}`;
      }
    }
    expect(await awaited(patient())).toBe('late, but there');
  });

  it('keeps a gradient that waits from backward', () => {
    const x = parameter(device, [1, 2], [2, 1]);
    const [exchange] = ranksOf([[2]]);
    const alone: RowExchange = { ...exchange!, allToAll: () => new Promise(() => {}) };
    expect(() => atOnce(pausingScope(device, () => exchangeRows(x, alone)))).toThrow('await its pausing form');
    expect(() => backward(sum(multiply(x, x)))).not.toThrow();
    x.dispose();
  });
});

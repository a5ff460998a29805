/** Every call of a communicator, with what must come of it. */
import { type Communicator, partOf } from '../src/index.ts';

// Its types come with those of browsers alone.
declare const WebAssembly: {
  Memory: new (size: { initial: number; maximum: number; shared: true }) => { readonly buffer: SharedArrayBuffer };
};

/** Throws where a call gives anything else than it should. */
export async function tryAllCalls(communicator: Communicator): Promise<void> {
  const { rank, size } = communicator;
  const ranks = Array.from({ length: size }, (_, each) => each);

  for (const root of ranks) {
    const data = rank === root ? Float32Array.of(root + 0.5, -root) : new Float32Array(2);
    await communicator.broadcast(data, root);
    expectSame('broadcast', data, [root + 0.5, -root]);
  }

  const all = new Int32Array(2 * size);
  await communicator.allGather(Int32Array.of(rank, 100 * rank), all);
  expectSame(
    'allGather',
    all,
    ranks.flatMap((each) => [each, 100 * each]),
  );

  // From and into the shared memory of WebAssembly, where the engine's tensors lie. Large, so that it takes a while.
  const { buffer } = new WebAssembly.Memory({ initial: 256, maximum: 256, shared: true });
  // The last rank's part is shorter.
  const length = size * 60_000 - 1;
  const [begin, end] = partOf(length, rank, size);
  const send = new Float32Array(buffer, 1024, length);
  for (const to of ranks) send.fill(100 * rank + to, ...partOf(length, to, size));
  const received = new Float32Array(buffer, 8 * 2 ** 20, (size - 1) * (end - begin));
  await communicator.scatterParts(send, received);
  for (const [place, from] of ranks.filter((each) => each !== rank).entries()) {
    const piece = received.subarray(place * (end - begin), (place + 1) * (end - begin));
    if (!piece.every((value) => value === 100 * from + rank)) {
      throw new Error(`scatterParts: got ${piece[0]} from ${from}`);
    }
  }

  const whole = new Float32Array(buffer, 1024, length).fill(-1);
  whole.fill(rank + 0.5, begin, end);
  await communicator.gatherParts(whole);
  for (const from of ranks) {
    const piece = whole.subarray(...partOf(length, from, size));
    if (!piece.every((value) => value === from + 0.5)) throw new Error(`gatherParts: got ${piece[0]} from ${from}`);
  }
  // Fewer numbers than ranks: some have no part.
  const single = Float32Array.of(rank === 0 ? 3 : -1);
  await communicator.gatherParts(single);
  expectSame('gatherParts', single, [3]);

  // To rank r r + 1 numbers from rank 0, one more from the next, and so on; none come from the last of several.
  const lengthOf = (from: number, to: number): number => (size > 1 && from === size - 1 ? 0 : from + to + 1);
  const sent = ranks.map((to) => lengthOf(rank, to));
  const arriving = ranks.map((from) => lengthOf(from, rank));
  const parts = Float32Array.from(
    sent.flatMap((length, to) => Array.from({ length }, (_, i) => 100 * rank + to + i / 8)),
  );
  const expected = arriving.flatMap((length, from) => Array.from({ length }, (_, i) => 100 * from + rank + i / 8));
  for (const channel of [communicator, communicator.beside]) {
    const into = new Float32Array(expected.length);
    await channel.allToAllV(parts, sent, into, arriving);
    expectSame('allToAllV', into, expected);
  }

  // One channel does not wait for the order of the other.
  const [here, there] = [new Int32Array(size), new Int32Array(size)];
  const calls = [
    () => communicator.allGather(Int32Array.of(rank), here),
    () => communicator.beside.allGather(Int32Array.of(-rank), there),
  ];
  await Promise.all((rank % 2 === 0 ? calls : calls.toReversed()).map((call) => call()));
  expectSame('allGather on one channel', here, ranks);
  expectSame(
    'allGather beside it',
    there,
    ranks.map((each) => -each),
  );

  const sum = Float32Array.of(rank, 1, 0.5);
  await communicator.allReduce(sum);
  expectSame('allReduce', sum, [(size * (size - 1)) / 2, size, size / 2]);

  // Two at once, which end in whatever order.
  const [first, second] = [new Float32Array(size), new Int32Array(size)];
  await Promise.all([
    communicator.allGather(Float32Array.of(rank + 0.25), first),
    communicator.allGather(Int32Array.of(-rank), second),
  ]);
  expectSame(
    'allGather of two',
    first,
    ranks.map((each) => each + 0.25),
  );
  expectSame(
    'allGather of two',
    second,
    ranks.map((each) => -each),
  );
}

function expectSame(call: string, got: Float32Array | Int32Array, expected: readonly number[]): void {
  if (got.length === expected.length && got.every((value, i) => value === expected[i]! + 0)) return;
  throw new Error(`${call}: got ${Array.from(got).join(', ')}, expected ${expected.join(', ')}`);
}

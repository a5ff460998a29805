/** Times several ways of doing the same thing, taking turns, so that whatever else the machine does hits all alike. */

export interface Contestant {
  /** Does the work `times` times and resolves when all of it is done. */
  run(times: number): Promise<void>;
}

/** Milliseconds for one time. */
export interface Timing {
  readonly median: number;
  readonly best: number;
}

export interface MeasureOptions {
  /** Turns that everybody takes. */
  readonly rounds?: number;
  /** Length of a turn: work is repeated to fill it. */
  readonly turnMilliseconds?: number;
}

/** A timing for each contestant, in their order. */
export async function measure(
  contestants: readonly Contestant[],
  { rounds = 15, turnMilliseconds = 40 }: MeasureOptions = {},
): Promise<Timing[]> {
  const entries = [];
  for (const contestant of contestants) {
    // Long enough for the engine to have compiled its best code.
    const start = performance.now();
    let times = 0;
    while (performance.now() - start < 4 * turnMilliseconds || times < 3) {
      await contestant.run(1);
      times++;
    }
    const single = await time(contestant, Math.min(times, 10));
    entries.push({ contestant, times: Math.max(1, Math.round(turnMilliseconds / single)), turns: [] as number[] });
  }
  for (let round = 0; round < rounds; round++) {
    // In another order each time, and after a rest: threads of some engines spin on for a while.
    const order = [...entries.slice(round % entries.length), ...entries.slice(0, round % entries.length)];
    if (round % 2 === 1) order.reverse();
    for (const { contestant, times, turns } of order) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      turns.push(await time(contestant, times));
    }
  }
  return entries.map(({ turns }) => {
    turns.sort((a, b) => a - b);
    return { median: turns[turns.length >> 1]!, best: turns[0]! };
  });
}

async function time(contestant: Contestant, times: number): Promise<number> {
  const start = performance.now();
  await contestant.run(times);
  return (performance.now() - start) / times;
}

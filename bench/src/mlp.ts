/** A training step of a small dense network, engine against engine. */
import type { Bench } from './bench.ts';
import { contestTable, openOurs, TIMES } from './contest.ts';

const SIZES = [
  { batch: 256, inputs: 784, hidden: 256, classes: 10 },
  { batch: 32, inputs: 784, hidden: 128, classes: 10 },
];

export const mlp: Bench = {
  about: 'a training step (forward, backward, Adam) of a dense network, beside other engines',
  async run(report) {
    const entries = SIZES.map((sizes) => ({
      what: `${sizes.inputs}-${sizes.hidden}-${sizes.classes}, batch ${sizes.batch}`,
      work: { kind: 'mlpStep', ...sizes } as const,
    }));
    const notes = [
      'Median time of a step; in brackets: times that of ours on one thread. Losses of the first three steps agree.',
    ];
    const own = [await openOurs('ours 1T', { threads: 1 }), await openOurs('ours 2T', { threads: 2 })];
    const table = { title: 'Training step of a dense network', head: 'network', notes };
    report('mlp', await contestTable(table, entries, TIMES, own));
  },
};

/** A training step of a small dense network, engine against engine. */
import type { Bench } from './bench.ts';
import { contest, openOurs, openPeers, timeCells } from './contest.ts';

const SIZES = [
  { batch: 256, inputs: 784, hidden: 256, classes: 10 },
  { batch: 32, inputs: 784, hidden: 128, classes: 10 },
];

export const mlp: Bench = {
  about: 'a training step (forward, backward, Adam) of a dense network, beside tfjs and jax-js',
  async run(report) {
    const notes = [
      'Median time of a step; in brackets: times that of ours on one thread. Losses of the first three steps agree.',
    ];
    const engines = [
      await openOurs('ours 1T', { threads: 1 }),
      await openOurs('ours 2T', { threads: 2 }),
      ...(await openPeers(['tfjs', 'jax'], notes)),
    ];
    const rows: (string | null)[][] = [];
    for (const sizes of SIZES) {
      const { batch, inputs, hidden, classes } = sizes;
      const what = `${inputs}-${hidden}-${classes}, batch ${batch}`;
      rows.push([what, ...timeCells(await contest(what, { kind: 'mlpStep', ...sizes }, engines, notes))]);
    }
    for (const engine of engines) await engine.close();
    const columns = ['network', ...engines.map(({ name }) => name)];
    report({ title: 'Training step of a dense network', columns, rows, notes });
  },
};

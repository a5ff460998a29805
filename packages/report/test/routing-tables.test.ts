/** Tables of evaluations: each value beside what there would be without structure, and what is not known as a dash. */
import { balanceReport, layersReport, textFloor } from '@lpr/metrics';
import { expect, it } from 'vitest';
import {
  balanceTable,
  evaluationsTable,
  type LayerRouting,
  NO_INFORMATION_NOTE,
  type OverviewRun,
  overviewTable,
  placementTable,
  routingTable,
  type RunLevels,
  similarityTable,
  simulateLevels,
  stabilityTable,
  textTable,
} from '../src/tables.ts';

const layer: LayerRouting = {
  decisions: { entropy: 0.75, margin: 0.5, independentMargin: 0.25 },
  massGini: 0.5,
  loadGini: 0.25,
  position: { nats: 0.125, independent: 0.0004 },
  frequency: { nats: 0.25, independent: 0.001 },
  maxViolations: { batch: 0.5, worstBatch: 0.75, global: 0.25 },
};

it('routing of each layer and as mean, levels in brackets', () => {
  const layers = [layer, { ...layer, decisions: null, massGini: 1 }];
  const table = routingTable({ what: 'held-out text after step 40', batchTokens: 1024, batchFloor: 0.125, layers });
  expect(table.title).toBe('Routing of held-out text after step 40; in brackets: what independence would give');
  expect(textTable(table).rows).toEqual([
    [
      'layer 0',
      '0.750',
      '0.500 (0.250)',
      '0.500 (0.250)',
      '0.125 (4.00e-4)',
      '0.250 (0.001)',
      '0.500 (0.125)',
      '0.750',
    ],
    ['layer 1', '-', '-', '1.000 (0.250)', '0.125 (4.00e-4)', '0.250 (0.001)', '0.500 (0.125)', '0.750'],
    ['mean', '0.750', '0.500 (0.250)', '0.750 (0.250)', '0.125 (4.00e-4)', '0.250 (0.001)', '0.500 (0.125)', '0.750'],
  ]);
  expect(table.notes.join('\n')).toContain('batches of 1,024 tokens');
});

it('a level that is not known has no brackets', () => {
  const layers = [{ ...layer, decisions: { ...layer.decisions!, independentMargin: Number.NaN } }];
  const table = routingTable({ what: 'held-out text', batchTokens: 1024, batchFloor: 0.125, layers });
  expect(textTable(table).rows[0]!.slice(1, 4)).toEqual(['0.750', '0.500', '0.500 (0.250)']);
});

it('stability and similarity, with their levels', () => {
  const stable = { kept: 0.75, independent: 0.25, sameExperts: 0.5, movedWeight: 0.125 };
  const stability = stabilityTable('4,096 held-out tokens, step 40 against step 20', [
    stable,
    { ...stable, kept: 0.25 },
  ]);
  expect(stability.title).toContain('4,096 held-out tokens, step 40 against step 20');
  expect(textTable(stability).rows).toEqual([
    ['layer 0', '0.750 (0.250)', '0.500', '0.125'],
    ['layer 1', '0.250 (0.250)', '0.500', '0.125'],
    ['mean', '0.500 (0.250)', '0.500', '0.125'],
  ]);
  const similarity = similarityTable('256 held-out tokens after step 40', [
    { layer: 1, mean: 0.5, independent: 0.0001, closest: { experts: [2, 5], value: 0.75 } },
    { layer: 3, mean: Number.NaN, independent: Number.NaN, closest: null },
  ]);
  expect(similarity.title).toContain('on 256 held-out tokens after step 40');
  expect(textTable(similarity).rows).toEqual([
    ['layer 1', '0.500 (1.00e-4)', '0.750', '2 and 5'],
    ['layer 3', '-', '-', '-'],
  ]);
});

it('balance and its cost say what text they are of', () => {
  const { layers, mean, worst } = layersReport([[1, 3]]);
  const balance = { layers, mean, worst, pValues: { layers: [0.5], all: 0.5 }, levels: null, textFloor: null };
  const { title } = balanceTable('training text after step 3', { ...balance, tokenTypes: null });
  expect(title).toBe('Balance on training text after step 3');
  expect(placementTable('given text', [[1, 3]]).title).toBe('Cost of the load on given text');
});

it('balance stands beside what a router by id alone could reach', () => {
  const { layers, mean, worst } = layersReport([[1, 3]]);
  const balance = { layers, mean, worst, pValues: { layers: [0.5], all: 0.5 }, levels: null, textFloor: null };
  const table = (frequent: number) =>
    balanceTable('text', { ...balance, tokenTypes: { balance: balanceReport([2, 1]), frequent, share: 0.25 } });
  expect(textTable(table(1)).rows.at(-1)!.slice(0, 3)).toEqual(['by id alone', '0.167', '0.500']);
  expect(table(1).notes.at(-1)).toContain('1 token id is more than the fair share of an expert, 25.0 % of the tokens');
  expect(table(0).notes.at(-1)).toContain('no token id is more than the fair share');
});

it('balance stands beside what the text leaves to chance', () => {
  const { layers, mean, worst } = layersReport([[1, 3]]);
  const balance = { layers, mean, worst, pValues: { layers: [0.5], all: 0.5 }, tokenTypes: null };
  const block = { domain: 'text', weight: 1, tokens: 4, loss: 4 };
  const floor = textFloor([
    { ...block, counts: [[1, 3]] },
    { ...block, counts: [[3, 1]] },
  ])!;
  const { samplingFloor, isotropicNull } = simulateLevels({ experts: 2, topK: 1, tokens: 8, latentDim: 4, layers: 1 });
  const table = (levels: Pick<RunLevels, 'samplingFloor' | 'isotropicNull'> | null) =>
    balanceTable('text', { ...balance, levels, textFloor: { mean: floor.mean, pieces: 2 } });
  const names = textTable(table({ samplingFloor, isotropicNull })).rows.map(([name]) => name);
  expect(names.slice(-3)).toEqual(['sampling floor', 'text floor', 'isotropic null']);
  // Either block twice in place of both: 2 of 8 tokens go elsewhere than they should.
  expect(textTable(table(null)).rows.at(-1)!.slice(0, 2)).toEqual(['text floor', '0.250']);
  expect(table(null).notes.at(-1)).toContain('on 2 pieces of it');
});

it('evaluations have decisions where they are known', () => {
  const line = {
    ...{ final: false, evaluatedTokens: 100, loss: 4, mean: null, worst: null },
    ...{ information: 0.5, decisions: null, domains: {} },
  };
  expect(evaluationsTable([{ ...line, step: 10 }]).columns.map(({ key }) => key)).not.toContain('entropy');
  const decisions = { entropy: 0.75, margin: 0.5, independentMargin: 0.25 };
  const table = evaluationsTable([
    { ...line, step: 10, information: -0.01 },
    { ...line, step: 1000, information: -0.02, decisions },
  ]);
  const { head, rows } = textTable(table);
  expect(rows[0]!.slice(head.indexOf('router entropy'))).toEqual(['0.750', '0.500 (0.250)']);
  expect(rows[0]![head.indexOf('I(expert; token)')]).toMatch(/^-0\.020 ./);
  expect(rows[1]!.slice(head.indexOf('router entropy'))).toEqual(['-', '-']);
  expect(table.notes).toContain(NO_INFORMATION_NOTE);
});

it('an overview of runs evaluated and not yet says of each what it is measured on', () => {
  const heldOut = { tokens: 100, loss: 4, perplexity: 50, information: -0.1, pValue: null, usage: null };
  const of = (name: string, isEvaluated: boolean): OverviewRun => ({
    ...{ name, folder: name, router: 'lpr', seed: null, step: 10, trainingLoss: 4, tokensPerSecond: 1, levels: null },
    ...{ expertsPerToken: 2, mean: { gini: 0.5 }, worst: { gini: 0.5 } },
    heldOut: isEvaluated ? heldOut : null,
  });
  const mixed = overviewTable([of('a', true), of('b', false)]);
  expect(mixed.title).toBe('Runs, on held-out text or in training');
  expect(mixed.columns.map(({ key }) => key)).toContain('text');
  expect(mixed.rows.map(({ text }) => text)).toEqual(['held-out', 'training']);
  expect(overviewTable([of('a', true)]).title).toBe('Runs on 100 held-out tokens');
  const early = overviewTable([of('b', false)]);
  expect(early.title).toBe('Runs in training');
  expect(early.columns.map(({ key }) => key)).not.toContain('text');
});

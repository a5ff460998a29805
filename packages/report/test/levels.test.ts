import { describe, expect, it } from 'vitest';
import {
  type ComparedRun,
  comparisonTable,
  latentDims,
  levelNotes,
  levelSize,
  levelsOf,
  routedWindow,
  type RunLevels,
  simulatedLevels,
  tableText,
  uniformPValue,
} from '../src/tables.ts';

const source = simulatedLevels();

/** Levels of so many tokens, each to every one of its experts as often. */
function levels(perExpert: number, experts: number, tokens: number): RunLevels {
  const window = routedWindow([Array.from({ length: experts }, () => perExpert)], tokens);
  return source(levelSize(window, 16)!)!;
}

describe('levels', () => {
  it('are those of the experts that a token really went to', () => {
    const all = levelSize(
      routedWindow(
        [
          [100, 100, 100, 100],
          [100, 100, 100, 100],
        ],
        100,
      ),
      16,
    );
    expect(all).toEqual({ experts: 4, topK: 4, tokens: 100, latentDim: 16, layers: 2 });
    // Dropped tokens, and less than one expert a token.
    expect(levelSize(routedWindow([[90, 90, 5, 5]], 100), 8)).toMatchObject({ topK: 2, layers: 1, latentDim: 8 });
    expect(levelSize(routedWindow([[20, 0, 0, 0]], 100), 16)!.topK).toBe(1);
    // A router that sends every token everywhere is balanced whatever it does, and so is its floor.
    expect(source(all!)!.samplingFloor.gini).toEqual({ mean: 0, low: 0, high: 0 });
  });

  it('do not exist without experts or load', () => {
    expect(levelSize(routedWindow([], 100), 16)).toBeNull();
    expect(levelSize(routedWindow([[0, 0]], 100), 16)).toBeNull();
    expect(uniformPValue([], 100)).toBeNull();
    expect(uniformPValue([[0, 0]], 100)).toBeNull();
    expect(
      uniformPValue(
        [
          [50, 50],
          [0, 0],
        ],
        100,
      ),
    ).toBeNull();
  });

  it('come with a probability that tells chance from structure', () => {
    expect(uniformPValue([[55, 45]], 100)).toBeGreaterThan(0.01);
    expect(uniformPValue([[90, 10]], 100)).toBeLessThan(1e-6);
    expect(uniformPValue([[100, 100]], 100)).toBe(1);
  });

  it('take the width of the latents of the other runs where a run has none', () => {
    expect(latentDims([null, 8, null])).toEqual([8, 8, 8]);
    expect(latentDims([null, 8, 4])).toEqual([16, 8, 4]);
    expect(latentDims([null])).toEqual([16]);
  });

  it('are one for all runs that share them, and named by what they depend on where not', () => {
    const [few, many] = [levels(25, 4, 100), levels(100, 4, 100)];
    const shared = levelsOf([
      { name: 'a', levels: few },
      { name: 'b', levels: few },
      { name: 'dense', levels: null },
    ]);
    expect(shared.map(({ name, isCommon, runs }) => [name, isCommon, runs])).toEqual([
      ['sampling floor', true, ['a', 'b']],
      ['isotropic null', true, ['a', 'b']],
    ]);
    const apart = levelsOf([
      { name: 'a', levels: few },
      { name: 'DSelect-k', levels: many },
    ]);
    expect(apart.map(({ name, isCommon }) => [name, isCommon])).toEqual([
      ['sampling floor, k 1', false],
      ['sampling floor, k 4', false],
      ['isotropic null, k 1', false],
      ['isotropic null, k 4', false],
    ]);
    expect(levelNotes(apart)[1]).toMatch(
      /^sampling floor, k 4 \(a uniform router; of DSelect-k\): Gini 0\.000, min-max 1\.000, MaxVio 0\.000/,
    );
    expect(levelNotes(shared)[0]).toMatch(
      /^sampling floor \(a uniform router\): Gini 0\.\d{3} \(0\.\d{3}-0\.\d{3}\), min-max /,
    );
  });
});

describe('a comparison', () => {
  const run = {
    ...{ testLoss: 5, evaluatedTokens: 100, information: null, tokensPerSecond: null },
    ...{ usage: null, steps: 40, trainingFlops: null },
    mean: { gini: 0.25, minMax: 0.5, maxViolation: 0.75 },
    worst: { gini: 0.5, minMax: 0, maxViolation: 1 },
    ...{ seeds: [0], errorsOf: null, errors: {}, differences: null },
  };
  const levelsOfOne = levels(25, 4, 100);

  it('shows what ran, stars what differs from a uniform router, and has a floor for each k', () => {
    const table = comparisonTable(
      [
        { ...run, name: 'top-k', expertsPerToken: 1, pValue: 0.001, levels: levels(25, 4, 100) },
        { ...run, name: 'dselect-k', expertsPerToken: 4, pValue: 1, levels: levels(100, 4, 100) },
        { ...run, name: 'dense', expertsPerToken: null, pValue: null, levels: null, mean: null, worst: null },
      ],
      { heading: 'The paper', rows: [{ title: 'theirs', testLoss: null, measures: { gini: 0.7, minMax: 1e-16 } }] },
    );
    const lines = tableText(table).split('\n');
    expect(lines[0]).toMatch(/^100 held-out tokens; k is what ran; /);
    expect(lines.slice(2, 5).map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['top-k *', '1', '5.0000', '0.250 (0.500)', '0.500 (0.000)', '0.750 (1.000)'],
      ['dselect-k', '4', '5.0000', '0.250 (0.500)', '0.500 (0.000)', '0.750 (1.000)'],
      ['dense', '-', '5.0000', '-', '-', '-'],
    ]);
    expect(
      lines.filter((line) => line.startsWith('sampling floor')).map((line) => line.trim().split(/ {2,}/)[0]),
    ).toEqual(['sampling floor, k 1', 'sampling floor, k 4']);
    expect(lines.at(-4)).toBe('The paper');
    expect(lines.at(-3)!.trim().split(/ {2,}/)).toEqual(['theirs', '-', '0.700', '1.00e-16']);
    expect(lines.at(-2)).toBe('A row of one seed has no interval: how far another seed would be from it is not known.');
    expect(lines.at(-1)).toMatch(/^\* The load differs from that of a uniform router: .*p < 0\.01/);
  });

  it('shows what a token used, and marks those that cost another amount than the first', () => {
    const using = (flopsPerToken: number, empty: object = {}): Pick<ComparedRun, 'usage'> => ({
      usage: {
        activeParameters: 1_234_567,
        flopsPerToken,
        emptySlots: { dropped: 0, null: 0, inactive: 0, ...empty },
      },
    });
    const common = { ...run, expertsPerToken: 1, pValue: 1, levels: null };
    const table = comparisonTable(
      [
        { ...common, name: 'top-k', ...using(2e6), trainingFlops: 1e15 },
        { ...common, name: 'lpr', ...using(2.039e6), steps: 39, trainingFlops: 0.99e15 },
        { ...common, name: 'adamoe', ...using(1.9e6, { null: 0.123, dropped: 0.00451 }), trainingFlops: 1.35e15 },
        { ...common, name: 'old' },
      ],
      { heading: 'The paper', rows: [] },
    );
    const lines = tableText(table).split('\n');
    expect(lines[1]!.trim().split(/ {2,}/).slice(0, 7)).toEqual([
      'k',
      'active',
      'FLOP/token',
      'empty slots',
      'steps',
      'training FLOP',
      'test loss',
    ]);
    expect(lines.slice(2, 6).map((line) => line.trim().split(/ {2,}/).slice(0, 7))).toEqual([
      ['top-k', '1', '1.23M', '2M', '-', '40', '1P'],
      ['lpr', '1', '1.23M', '2.04M', '-', '39', '990T'],
      ['adamoe †', '1', '1.23M', '1.9M', '0.45 % dropped, 12 % null', '40', '1.35P'],
      ['old', '1', '-', '-', '-', '40', '-'],
    ]);
    expect(table.notes.slice(1)).toEqual([
      '† FLOPs per token differ from those of top-k by more than 2 %: adamoe -5 %. Such a method is not compared at equal cost.',
      'FLOPs of the whole training, as it ran, differ from those of top-k by more than 2 %: adamoe +35 %.',
    ]);
  });

  it('prints errors of means, differences to a baseline, and which information is none', () => {
    const seeds = { seeds: [0, 1, 5], errorsOf: 'seeds' as const, expertsPerToken: 1, pValue: 1, levels: levelsOfOne };
    const published = { heading: 'The paper', rows: [] };
    const table = comparisonTable(
      [
        { ...run, ...seeds, name: 'top-k', information: -0.01, errors: { testLoss: 0.05, gini: 0.0001 } },
        {
          ...{ ...run, ...seeds, name: 'lpr', information: 1.5, errors: { information: 0.25 } },
          differences: {
            testLoss: { mean: 0.25, error: 0.125 },
            gini: { mean: -0.5, error: null },
            minMax: { mean: 0.125, error: 0.125 },
          },
        },
      ],
      published,
      'top-k',
    );
    const lines = tableText(table).split('\n');
    expect(lines[0]).toMatch(/^100 held-out tokens; k is what ran; means over 3 seeds \(0, 1, 5\); balance is/);
    expect(lines.slice(2, 4).map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['top-k', '1', '5.0000 ± 0.0500', '0.250 ± <0.001 (0.500)', '0.500 (0.000)', '0.750 (1.000)', '-0.010 ‡'],
      ['lpr', '1', '5.0000', '0.250 (0.500)', '0.500 (0.000)', '0.750 (1.000)', '1.500 ± 0.250'],
    ]);
    expect(lines.slice(-5).map((line) => line.trim().split(/ {2,}/))).toEqual([
      ['Less top-k, in pairs of a seed'],
      ['lpr', '+0.2500 ± 0.1250 §', '-0.500', '+0.125 ± 0.125'],
      ["± is the 95 % interval of the mean over seeds (Student's t)."],
      ['§ The difference is larger than its error, as one in twenty is between runs that do not differ.'],
      ['‡ Not above what independent samples would show.'],
    ]);
    const blocks = { ...run, ...seeds, name: 'a', seeds: [0], errorsOf: 'blocks' as const };
    expect(comparisonTable([blocks], published).notes).toEqual([
      expect.stringMatching(
        /^± is .* bootstrap over blocks of the held-out text: .* not contain .* between seeds\. MI has none/,
      ),
    ]);
    const others = [blocks, { ...blocks, name: 'b', seeds: [1] }];
    expect(comparisonTable(others, published).title).toMatch(/^100 held-out tokens; k is what ran; balance is/);
    expect(comparisonTable([blocks, { ...run, ...seeds, name: 'b' }], published).notes).toEqual([
      expect.stringMatching(/mean over seeds/),
      expect.stringMatching(/^Of one seed, ± is .* bootstrap/),
    ]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fileNames, modelTitle, type NamedRun, runNames } from '../src/tables.ts';

function run(name: string, settings: Readonly<Record<string, string>> = {}, path = `runs/${name}`): NamedRun {
  return { name, path, settings: new Map(Object.entries(settings)) };
}

const lpr = { architecture: 'qwen3-moe', router: 'lpr', seed: '0', 'lpr.strength': '0.1', device: 'wasm' };

describe('names of runs', () => {
  it('are those of their models', () => {
    expect(['top-k', 'lpr', 'lpr-paper', 'sinkhorn'].map((router) => modelTitle('qwen3-moe', router))).toEqual([
      'Qwen3-MoE',
      'Qwen3-MoE-LPR',
      'Qwen3-MoE-LPR (paper)',
      'Qwen3-MoE, sinkhorn',
    ]);
    expect(runNames([run('a', lpr)])).toEqual(['Qwen3-MoE-LPR']);
    expect(runNames([run('a', lpr), run('b', { ...lpr, router: 'top-k', seed: '1' })])).toEqual([
      'Qwen3-MoE-LPR',
      'Qwen3-MoE',
    ]);
  });

  it('tell runs of one model apart by the settings that differ, as few as do', () => {
    const seeds = Array.from({ length: 16 }, (_, seed) => run(`s${seed}`, { ...lpr, seed: String(seed) }));
    expect(runNames(seeds)).toEqual(seeds.map((_, seed) => `Qwen3-MoE-LPR, seed ${seed}`));
    const sweep = Array.from({ length: 40 }, (_, i) =>
      run(`r${i}`, { ...lpr, seed: String(i % 4), 'lpr.strength': String(Math.floor(i / 4)), device: `d${i}` }),
    );
    expect(runNames(sweep)[0]).toBe('Qwen3-MoE-LPR, strength 0, seed 0');
    expect(new Set(runNames(sweep)).size).toBe(40);
    const clash = [
      run('a', { ...lpr, 'a.rate': '1', 'b.rate': '1' }),
      run('b', { ...lpr, 'a.rate': '1', 'b.rate': '2' }),
      run('c', { ...lpr, 'a.rate': '2', 'b.rate': '1' }),
    ];
    expect(runNames(clash)[2]).toBe('Qwen3-MoE-LPR, a.rate 2, b.rate 1');
  });

  it('say what is unusual in each where few settings do not tell all apart', () => {
    const usual = { ...lpr, a: '1', b: '1', c: '1', d: '1', e: '1' };
    const changed = ['a', 'b', 'c', 'd', 'e'];
    const ablations = changed.map((path) => run(path, { ...usual, [path]: '0' }));
    expect(runNames([run('all', usual), ...ablations])).toEqual([
      'Qwen3-MoE-LPR',
      ...changed.map((path) => `Qwen3-MoE-LPR, ${path} 0`),
    ]);
    const seeds = [run('all', usual), ...ablations].flatMap((each) =>
      ['0', '1'].map((seed) => ({ ...each, settings: new Map([...each.settings, ['seed', seed]]) })),
    );
    expect(runNames(seeds).slice(0, 3)).toEqual([
      ...['Qwen3-MoE-LPR, seed 0', 'Qwen3-MoE-LPR, seed 1', 'Qwen3-MoE-LPR, seed 0, a 0'],
    ]);
    // Where they tell no more, the folder does.
    const twice = [run('x', usual), run('y', usual), ...ablations];
    expect(runNames(twice).slice(0, 3)).toEqual(['Qwen3-MoE-LPR (x)', 'Qwen3-MoE-LPR (y)', 'Qwen3-MoE-LPR, a 0']);
  });

  it('are told apart by folders where settings do not, or do not say what a run is', () => {
    expect(runNames([run('lpr v1', lpr), run('lpr-v1', lpr)])).toEqual([
      'Qwen3-MoE-LPR (lpr v1)',
      'Qwen3-MoE-LPR (lpr-v1)',
    ]);
    expect(runNames([run('x', lpr, 'a/x'), run('x', lpr, 'b/x')])).toEqual([
      'Qwen3-MoE-LPR (a/x)',
      'Qwen3-MoE-LPR (b/x)',
    ]);
    expect(runNames([run('x', {}, 'a/x'), run('x', {}, 'b/x'), run('y')])).toEqual(['a/x', 'b/x', 'y']);
    expect(runNames([run('x', {}, 'x'), run('x', {}, 'x')])).toEqual(['x', 'x (2)']);
  });

  it('are never the same', () => {
    const word = fc.constantFrom('a', 'b', 'a (2)', 'Qwen3-MoE', 'Qwen3-MoE, seed 1');
    const settings = fc.record(
      {
        architecture: fc.constantFrom('qwen3-moe', 'x'),
        router: fc.constantFrom('top-k', 'lpr'),
        seed: fc.constantFrom('0', '1'),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(word, settings, word), { maxLength: 12 }), (runs) => {
        const names = runNames(runs.map(([name, given, path]) => run(name, given, path)));
        expect(new Set(names).size).toBe(runs.length);
      }),
    );
  });
});

describe('names of files', () => {
  it('hold nothing that a file system minds, and are never the same', () => {
    expect(fileNames(['lpr v1', 'lpr-v1', 'LPR-v1', '../../x', '', '"><b>'])).toEqual([
      'lpr-v1',
      'lpr-v1-2',
      'LPR-v1-3',
      'x',
      'run-5',
      'b',
    ]);
    const long = 'x'.repeat(150);
    expect(fileNames([`${long}1`, `${long}2`, `${long}-2`])).toEqual([long, `${long}-2`, `${long}-3`]);
    // Three bytes each, and four of two units of UTF-16.
    expect(fileNames(['漢'.repeat(84), `xy${'𠀀'.repeat(80)}`])).toEqual(['漢'.repeat(50), `xy${'𠀀'.repeat(37)}`]);
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: fc.constantFrom('a', 'A', '-', '2', '/', 'é', '.') }), { maxLength: 20 }),
        (texts) => {
          const names = fileNames(texts);
          expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(texts.length);
          for (const name of names) expect(name).toMatch(/^[^./-][^/]*$/u);
        },
      ),
    );
  });
});

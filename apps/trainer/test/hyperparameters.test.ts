import { latentPrototypePresets } from '@lpr/moe';
import { expect, it } from 'vitest';
import { hyperparameterTable } from '../src/comparison/hyperparameters.ts';

const table = hyperparameterTable();
const row = (name: string): (typeof table.rows)[number] => table.rows.find((each) => each['name'] === name)!;

it('says why a value is not the one of table 8, and only where one is not', () => {
  for (const { name, paper, preset, corrected, why } of table.rows) {
    const differs = [preset, corrected].some((ours) => ours !== '' && ours !== paper);
    expect([name, why !== ''], why as string).toEqual([name, differs]);
  }
});

it('reads ours from the settings of a run', () => {
  expect(row('strength of the regularisers')).toMatchObject({
    paper: '0.01',
    preset: String(latentPrototypePresets.official.strength),
    corrected: String(latentPrototypePresets.corrected.strength),
  });
  expect(row('hidden size')).toMatchObject({ paper: '1204 / 1024 / 1024', preset: '1024' });
  expect(row('width of a head with positions')).toMatchObject({ paper: '- / 128 / -', preset: '- / 64 / -' });
  expect(row('weight of the alignment')).toMatchObject({ preset: '0.1 / 0.05 / 0.05', corrected: '0.1' });
  expect(row('own router: weight of the auxiliary loss')).toMatchObject({ preset: '0.001 / 0 / 0.001', corrected: '' });
  expect(row('training tokens')).toMatchObject({ paper: '100M', preset: '1.11B' });
  expect(row('unit-ball constraint')).toMatchObject({ paper: 'true', preset: 'false', corrected: 'false' });
  // Every line of the paper's table but its second name for the strength.
  expect(table.rows).toHaveLength(32);
});

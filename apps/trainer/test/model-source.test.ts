import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BpeTokenizer, loadTokenizer, trainBpe } from '@lpr/data';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeTokenizer } from '../src/run/model-source.ts';
import { tokenizerBeside } from '../src/run/tokenizer-place.ts';

const TRAINED = trainBpe(['the state of the union'], { vocabularySize: 270, specialTokens: ['<start>', '<end>'] });

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lpr-text-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('writeTokenizer', () => {
  it('writes down which token ends a text, whatever it is called', async () => {
    for (const [endOfText, name] of [
      ['<end>', 'a'],
      ['<start>', 'b'],
    ] as const) {
      const tokenizer = new BpeTokenizer({ ...TRAINED.model, endOfText });
      const path = mkdtempSync(join(folder, name));
      await writeTokenizer(path, tokenizer, 64);
      expect(await loadTokenizer(path)).toMatchObject({ endOfText: tokenizer.endOfText });
      const config = JSON.parse(readFileSync(join(path, 'tokenizer_config.json'), 'utf8')) as object;
      expect(config).toMatchObject({ eos_token: endOfText, model_max_length: 64 });
    }
  });
});

describe('tokenizerBeside', () => {
  it('looks into the run of a checkpoint, and above no other folder', () => {
    const file = join(folder, 'tokenizer.json');
    writeFileSync(file, '{}');
    const below = (...names: string[]): string => {
      const path = join(folder, ...names);
      mkdirSync(path, { recursive: true });
      return path;
    };
    expect(tokenizerBeside(folder)).toBe(file);
    expect(tokenizerBeside(below('checkpoints', 'step-000020'))).toBe(file);
    expect(tokenizerBeside(below('models', 'exported'))).toBeNull();
  });
});

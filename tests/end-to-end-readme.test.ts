/** The README of the trainer: its walk-through, run word for word, and its configuration file. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cleanUp, runTrainer, trainerCommand } from './end-to-end-cli.ts';

const root = resolve(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'apps/trainer/README.md'), 'utf8');

const work = mkdtempSync(join(tmpdir(), 'lpr-readme-'));
afterAll(() => {
  rmSync(work, { recursive: true });
  cleanUp();
});

function block(opening: string): string {
  const start = readme.indexOf(`\`\`\`${opening}\n`) + opening.length + 4;
  return readme.slice(start, readme.indexOf('```', start));
}

describe('the README', () => {
  it.skipIf(process.platform === 'win32')(
    'leads from raw text to a trained model to an exported folder',
    async () => {
      // The text it reads lies in the root; what it makes must not.
      for (const name of ['README.md', 'docs', 'packages']) symlinkSync(join(root, name), join(work, name));
      const { words, env } = trainerCommand();
      const pnpm = `pnpm() { shift; ${words.map((word) => `'${word}'`).join(' ')} "$@"; }`;
      const child = spawn('bash', ['-euc', `${pnpm}\n${block('sh walk-through')}`], { cwd: work, env });
      let [stdout, stderr] = ['', ''];
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
      const code = await new Promise((settle) => child.on('close', settle));
      expect(stderr).not.toContain('error');
      expect(code).toBe(0);
      // Twice the same text, and between them what export prints.
      const [, first, second, ...more] = stdout.split('A router');
      expect(second!.trim()).not.toBe('');
      expect(first).toBe(`${second}walk/model\n`);
      expect(more).toEqual([]);
      for (const file of ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json']) {
        expect(existsSync(join(work, 'walk', 'model', file))).toBe(true);
      }
    },
    300_000,
  );

  it('has a configuration file that is one', async () => {
    const file = join(work, 'example.yaml');
    writeFileSync(file, block('yaml'));
    const { code, stdout, stderr } = await runTrainer(['config', 'show', '--config', file]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain('patience: 5');
  }, 60_000);
});

/**
 * @lpr/tensor alone, as it is published: packed, installed into an empty project, and used by plain Node and by a page
 * that Vite has built.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { build, preview } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packAll, Project, publishedManifests, run } from './project.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) =>
  existsSync(file),
);
const MINUTE = 60_000;

/** What the same program says wherever it runs. */
interface Report {
  readonly description: string;
  readonly losses: readonly number[];
}

/** Trains a little network for three steps, with and without relaxed SIMD; written against the package alone. */
const TRAINING = `
import {
  backward, createWasmDevice, crossEntropy, linear, parameter, RandomKey, randomNormal, scope, silu, tensor,
} from '@lpr/tensor';
import { AdamW } from '@lpr/tensor/nn';

export async function train(relaxedSimd) {
  const device = await createWasmDevice({ threads: 2, relaxedSimd });
  const key = RandomKey.fromSeed(3);
  const [first, second] = scope(device, () => [
    parameter(randomNormal(device, [64, 48], key.fold('first'), 0.2)),
    parameter(randomNormal(device, [10, 64], key.fold('second'), 0.2)),
  ]);
  const optimizer = new AdamW(device, new Map([['first', first], ['second', second]]));
  const losses = [];
  for (let step = 1; step <= 3; step++) {
    losses.push(await scope(device, () => {
      const x = randomNormal(device, [96, 48], key.fold('inputs'));
      const labels = tensor(device, Int32Array.from({ length: 96 }, (_, i) => (7 * i) % 10));
      const { loss } = crossEntropy(linear(silu(linear(x, first)), second), labels);
      backward(loss);
      optimizer.step(0.01);
      return loss.item();
    }));
  }
  const report = { description: device.description, losses };
  await device.dispose();
  return report;
}

export const reports = async () => [await train('auto'), await train(false)];
`;

const FILES = {
  'training.js': TRAINING,
  'main.js': "import { reports } from './training.js';\nconsole.log(JSON.stringify(await reports()));\n",
  'page.js': "import { reports } from './training.js';\nglobalThis.finished = reports();\n",
  'index.html':
    '<!doctype html><title>training</title><link rel="icon" href="data:," /><script type="module" src="./page.js"></script>',
};

let folder: string;
let installed: Project;
let project: string;
let inNode: Report[];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lpr-tensor-'));
  const manifests = (await publishedManifests()).filter(({ name }) => name === '@lpr/tensor');
  // Nothing is left out where there is no registry: the package depends on no other.
  installed = (await Project.install(await packAll(folder, manifests)))!;
  project = installed.folder;
  for (const [name, text] of Object.entries(FILES)) await installed.write(name, text);
  inNode = JSON.parse(await run(project, process.execPath, 'main.js')) as Report[];
}, 5 * MINUTE);

afterAll(async () => {
  await installed?.remove();
  await rm(folder, { recursive: true });
});

describe('the packed package', { timeout: MINUTE }, () => {
  it('trains in plain Node, with its kernels and its workers', () => {
    const [relaxed, plain] = inNode;
    expect(relaxed!.description).toBe('wasm, 2 threads, relaxed SIMD');
    expect(plain!.description).toBe('wasm, 2 threads, SIMD');
    for (const { losses } of inNode) {
      expect(losses[0]).toBeGreaterThan(losses[2]!);
      expect(losses[2]).toBeGreaterThan(0);
    }
    expect(plain!.losses[2]).toBeCloseTo(relaxed!.losses[2]!, 4);
  });

  it('carries the types that its exports name', async () => {
    const program =
      "import { createWasmDevice, type Tensor, tensor } from '@lpr/tensor';\n" +
      "import { type ParameterSpec, weightSpec } from '@lpr/tensor/nn';\n" +
      'export const made: Tensor = tensor(await createWasmDevice(), [1, 2]);\n' +
      "export const spec: ParameterSpec = weightSpec('weight', [2, 3]);\n";
    expect(await installed.typeErrors('typed.ts', program, '--types', '', '--lib', 'es2023,dom')).toBe('');
  });

  it.each([
    ['philox4x32', [], ['WebAssembly', 'worker', 'softmax', 'gpu.js', 'createShaderModule']],
    [
      'createWasmDevice, scope, softmax, tensor',
      ['WebAssembly', 'worker', 'softmax'],
      ['gpu.js', 'createShaderModule'],
    ],
    ['createDevice', ['WebAssembly', 'worker', 'softmax'], []],
  ])('leaves out of a bundle what is not imported beside %s', async (names, within, without) => {
    await writeFile(join(project, 'part.js'), `export { ${names} } from '@lpr/tensor';\n`);
    const lib = { entry: join(project, 'part.js'), formats: ['es' as const], fileName: 'part' };
    await build({ root: project, logLevel: 'error', build: { target: 'esnext', outDir: 'part', lib } });
    const files = (await readdir(join(project, 'part'), { recursive: true })).filter((name) => name.endsWith('.js'));
    const code = (await Promise.all(files.map((name) => readFile(join(project, 'part', name), 'utf8')))).join('\n');
    expect(within.filter((word) => !code.includes(word))).toEqual([]);
    expect(without.filter((word) => code.includes(word))).toEqual([]);
  });

  const title = CHROMIUM === undefined ? ' (left out: no Chromium is installed)' : '';
  describe.skipIf(CHROMIUM === undefined)(`in a page built by Vite${title}`, () => {
    beforeAll(async () => {
      await build({ root: project, logLevel: 'error', build: { target: 'esnext' } });
    }, MINUTE);

    /**
     * Opens the built page and gives what the program in it says, with everything that the browser complained about.
     */
    async function openPage(headers: Record<string, string>): Promise<{ reports: Report[]; complaints: string[] }> {
      const server = await preview({ root: project, logLevel: 'error', preview: { port: 0, headers } });
      const browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-quic'] });
      try {
        const page = await browser.newPage();
        const complaints: string[] = [];
        page.on('pageerror', (error) => complaints.push(error.message));
        page.on('console', (message) => complaints.push(message.text()));
        await page.goto(server.resolvedUrls!.local[0]!);
        const reports = await page.evaluate(async () => await (globalThis as { finished?: unknown }).finished);
        return { reports: reports as Report[], complaints };
      } finally {
        await browser.close();
        await server.close();
      }
    }

    it('trains on workers to the losses of Node, bit by bit, where the page is cross-origin isolated', async () => {
      const { reports, complaints } = await openPage({
        'Cross-Origin-Opener-Policy': 'same-origin',
        'Cross-Origin-Embedder-Policy': 'require-corp',
      });
      expect(reports).toEqual(inNode);
      expect(complaints).toEqual([]);
    });

    it('trains to the same losses on the thread of a page that is not', async () => {
      const { reports } = await openPage({});
      expect(reports.map(({ description }) => description)).toEqual([
        'wasm, in place, relaxed SIMD',
        'wasm, in place, SIMD',
      ]);
      expect(reports.map(({ losses }) => losses)).toEqual(inNode.map(({ losses }) => losses));
    });
  });
});

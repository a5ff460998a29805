/**
 * The packages in a real browser: a page that Vite bundles trains a decoder on WebGPU and runs the conformance suite.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium, type Page as BrowserPage } from 'playwright-core';
import { build, preview, type PreviewServer } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ConformanceReport, Page, TrainingReport } from './browser/page.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const note = CHROMIUM === undefined ? ' (skipped: no Chromium is installed)' : '';
const MINUTE = 60_000;
const STEPS = 6;

/** SwiftShader plays the GPU, so that the test gives the same anywhere; nothing but the page is to be loaded. */
const FLAGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--enable-features=Vulkan',
  '--use-vulkan=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

type Window = { readonly lpr: Page };

describe.skipIf(CHROMIUM === undefined)(`in Chromium${note}`, { timeout: 4 * MINUTE }, () => {
  let folder: string;
  let server: PreviewServer;
  let browser: Browser;
  let page: BrowserPage;
  const complaints: string[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'lpr-page-'));
    const common = { root: join(import.meta.dirname, 'browser'), logLevel: 'error', configFile: false } as const;
    await build({ ...common, build: { target: 'esnext', outDir: folder, emptyOutDir: true } });
    server = await preview({ ...common, build: { outDir: folder }, preview: { port: 0, host: '127.0.0.1' } });
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: FLAGS });
    page = await browser.newPage();
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(server.resolvedUrls!.local[0]!);
  }, 2 * MINUTE);

  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rm(folder, { recursive: true });
  });

  const train = (device: 'wasm' | 'webgpu', router: 'top-k' | 'lpr'): Promise<TrainingReport> =>
    page.evaluate(([device, router, steps]) => (globalThis as unknown as Window).lpr.train(device, router, steps), [
      device,
      router,
      STEPS,
    ] as const);

  it.each(['top-k', 'lpr'] as const)('trains Qwen3-MoE with the router %s on WebGPU as on wasm', async (router) => {
    const [wasm, gpu] = [await train('wasm', router), await train('webgpu', router)];
    expect(wasm.device).toContain('wasm');
    expect(gpu.device).toMatch(/^gpu, webgpu on /);
    expect(gpu.losses).toHaveLength(STEPS);
    for (const [i, loss] of gpu.losses.entries())
      expect(Math.abs(loss - wasm.losses[i]!), `step ${i}`).toBeLessThan(1e-4);
    expect(gpu.losses.at(-1)!).toBeLessThan(gpu.losses[0]! - 0.1);
  });

  it.each(['wasm', 'webgpu'] as const)('conforms on %s', { timeout: 10 * MINUTE }, async (name) => {
    const report: ConformanceReport = await page.evaluate(
      (device) => (globalThis as unknown as Window).lpr.conform(device),
      name,
    );
    expect(report.device).toContain(name);
    expect(report.ops).toBeGreaterThan(50);
    expect(report.failures).toEqual([]);
    expect(complaints).toEqual([]);
  });
});

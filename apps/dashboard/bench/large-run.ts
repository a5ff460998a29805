/**
 * How fast a very large run opens: writes one of 100,000 steps with 512 experts in 12 layers to a temporary folder,
 * serves it, and opens its page in headless Chromium. `npx tsx bench/large-run.ts` in apps/dashboard.
 */
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeLoadHeader, encodeLoadWindow, layersReport } from '@lpr/metrics';
import { balanceOf } from '@lpr/runs';
import { serveDashboard } from '../src/server/server.ts';
import { launchBrowser } from '../test/browser.ts';

const STEPS = 100_000;
const WINDOW = 10;
const SHAPE = { layers: 12, experts: 512, topK: 8 };
const TOKENS = 8192;

const folder = await mkdtemp(join(tmpdir(), 'lpr-large-run-'));
try {
  await writeLargeRun(join(folder, 'large'));
  for (const file of ['metrics.jsonl', 'loads.bin']) {
    console.log(`${file} ${((await stat(join(folder, 'large', file))).size / 1e6).toFixed(0)} MB`);
  }
  await measure();
} finally {
  await rm(folder, { recursive: true });
}

async function measure(): Promise<void> {
  const dashboard = await serveDashboard(folder, { host: '127.0.0.1', port: 0 });
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
    // The browser itself is warm, the server has read nothing.
    await page.goto('about:blank');
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Performance.enable');
    const pageTime = async (): Promise<number> => {
      const { metrics } = await cdp.send('Performance.getMetrics');
      return 1000 * (metrics.find(({ name }) => name === 'ProcessTime')?.value ?? Number.NaN);
    };
    const serverStart = process.cpuUsage();
    const pageStart = await pageTime();
    const start = performance.now();
    const lap = (what: string): void => console.log(`${what} ${(performance.now() - start).toFixed(0)} ms`);
    await page.goto(`${dashboard.url}run?run=large`);
    lap('page loaded');
    await page.locator('figure[aria-busy=false]').nth(1).waitFor();
    lap('loss, balance and the loads of all experts');
    // What other programs on the machine cannot change.
    const { user, system } = process.cpuUsage(serverStart);
    console.log(
      `of processor time: server and this program ${((user + system) / 1000).toFixed(0)} ms, page ${((await pageTime()) - pageStart).toFixed(0)} ms`,
    );
    const again = performance.now();
    await page.reload();
    await page.locator('figure[aria-busy=false]').nth(1).waitFor();
    console.log(`opened again: the same after ${(performance.now() - again).toFixed(0)} ms`);
    // Holding an arrow key on the slider: how long the page's frames take.
    await page.locator('input[type=range]').focus();
    await page.evaluate(`
      window.frames_ = [];
      let last = performance.now();
      requestAnimationFrame(function next(now) { frames_.push(now - last); last = now; requestAnimationFrame(next); });
    `);
    for (let i = 0; i < 60; i++) await page.keyboard.press('ArrowLeft');
    const frames = (await page.evaluate<number[]>('frames_')).toSorted((a, b) => a - b);
    const at = (share: number): string => frames[Math.floor(share * (frames.length - 1))]!.toFixed(0);
    console.log(`frames while the slider moves: median ${at(0.5)} ms, 95 % below ${at(0.95)} ms, longest ${at(1)} ms`);
  } finally {
    await browser.close();
    await dashboard.close();
  }
}

/** A run that looks like training: the loss falls, the loads even out, each window is another. */
async function writeLargeRun(path: string): Promise<void> {
  await mkdir(path);
  await writeFile(
    join(path, 'config.yaml'),
    `architecture: qwen3-moe\nrouter: lpr\nseed: 0\ntraining:\n  steps: ${STEPS}\n`,
  );
  const metrics = createWriteStream(join(path, 'metrics.jsonl'));
  const loads = createWriteStream(join(path, 'loads.bin'));
  loads.write(encodeLoadHeader(SHAPE));
  const perLayer = Array.from({ length: SHAPE.layers }, (_, i) => 0.01 + i / 1000);
  for (let step = 1; step <= STEPS; step++) {
    const line: Record<string, unknown> = {
      step,
      tokens: step * TOKENS,
      loss: 3 + 4 / (1 + step / 2000) + 0.1 * Math.sin(step * 12.9898),
      totalLoss: 3.1 + 4 / (1 + step / 2000),
      learningRate: 3e-4,
      gradientNorm: 0.5 + 0.1 * Math.cos(step),
      terms: { diversity: { raw: perLayer, weighted: perLayer }, kl: { raw: perLayer, weighted: perLayer } },
    };
    if (step % WINDOW === 0) {
      const skew = 1 / (1 + step / 20_000);
      const counts = Array.from({ length: SHAPE.layers }, (_, layer) =>
        Array.from({ length: SHAPE.experts }, (_, expert) =>
          Math.round(1280 * (1 + skew * Math.sin(expert * (layer + 1) * 0.7 + step / 9000))),
        ),
      );
      line['balance'] = balanceOf(layersReport(counts));
      if (!loads.write(encodeLoadWindow(SHAPE, { step, tokens: WINDOW * TOKENS, counts }))) await once(loads, 'drain');
    }
    if (!metrics.write(`${JSON.stringify(line)}\n`)) await once(metrics, 'drain');
  }
  await Promise.all([metrics, loads].map((stream) => new Promise((resolve) => stream.end(resolve))));
}

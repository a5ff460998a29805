/** `pnpm trainer doctor`: what this machine can do, and what would run on it. */
import { readdir, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '@lpr/guard';
import { createDevice, createGpuDevice, type Device, matmul, scope, tensor } from '@lpr/tensor';
import { fittingBatch } from '../run/fitting.ts';
import { checkFits, predictRun } from '../run/prediction.ts';
import { PRESETS } from '../settings/decisions.ts';
import { formatSeconds } from '../cli/progress.ts';
import { cacheDirectory } from '../run/session.ts';
import { resolveSettings } from '../settings/resolve.ts';

/** One thing that was looked at. A failure keeps everything from working, a note does not. */
interface Finding {
  readonly state: 'ok' | 'note' | 'FAIL';
  readonly text: string;
}

/** Prints the findings; the exit code is 1 when one of them is a failure. */
export async function doctor(): Promise<void> {
  const gpu = await gpuDevice();
  const findings = [
    nodeVersion(),
    processor(),
    memory(),
    await cpuDevice(),
    gpu.finding,
    await cache(),
    await writable('the working directory', '.'),
    ...Object.keys(PRESETS).map((preset) => presetFinding(preset, gpu.largestTensor)),
  ];
  for (const { state, text } of findings) console.log(`${state.padEnd(4)}  ${text}`);
  if (findings.some(({ state }) => state === 'FAIL')) process.exitCode = 1;
}

function nodeVersion(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const fits = major > 20 || (major === 20 && minor >= 19);
  return { state: fits ? 'ok' : 'FAIL', text: `Node ${process.versions.node}${fits ? '' : ': needs 20.19 or newer'}` };
}

function processor(): Finding {
  return { state: 'ok', text: `${availableParallelism()} cores: ${cpus()[0]?.model.trim() ?? 'unknown'}` };
}

function memory(): Finding {
  const gibibytes = (bytes: number): string => (bytes / 2 ** 30).toFixed(1);
  return { state: 'ok', text: `${gibibytes(totalmem())} GiB of memory, ${gibibytes(freemem())} GiB free` };
}

/** Threads and SIMD level, and whether it computes right. */
async function cpuDevice(): Promise<Finding> {
  try {
    const device = await createDevice('wasm');
    try {
      const wrong = await productError(device);
      if (wrong > 1e-3) return { state: 'FAIL', text: `${device.description}: a matrix product is wrong by ${wrong}` };
      return { state: 'ok', text: `--device wasm: ${device.description}` };
    } finally {
      await device.dispose();
    }
  } catch (error) {
    return { state: 'FAIL', text: `--device wasm: ${String(error)}` };
  }
}

/** @returns also what it holds in one tensor, in bytes; null where there is no GPU that computes right */
async function gpuDevice(): Promise<{ finding: Finding; largestTensor: number | null }> {
  const note = (text: string): { finding: Finding; largestTensor: null } => {
    return { finding: { state: 'note', text }, largestTensor: null };
  };
  try {
    const device = await createGpuDevice();
    const { description, largestTensor } = device;
    try {
      const wrong = await productError(device);
      if (wrong > 1e-2) return note(`${description}: a matrix product is wrong by ${wrong}`);
      const text = `--device gpu: ${description}; ${(largestTensor / 2 ** 30).toFixed(2)} GiB in one tensor`;
      return { finding: { state: 'ok', text }, largestTensor };
    } finally {
      await device.dispose();
    }
  } catch (error) {
    return note(`--device gpu: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The largest difference of a product on the device from the same on the host. */
async function productError(device: Device): Promise<number> {
  const size = 48;
  const a = Float32Array.from({ length: size * size }, (_, i) => ((i * 7919) % 101) / 101 - 0.5);
  const b = Float32Array.from({ length: size * size }, (_, i) => ((i * 104_729) % 103) / 103 - 0.5);
  const values = await scope(device, () =>
    matmul(tensor(device, a, [size, size]), tensor(device, b, [size, size])).data(),
  );
  let largest = 0;
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      let sum = 0;
      for (let i = 0; i < size; i++) sum += a[row * size + i]! * b[i * size + column]!;
      const error = Math.abs(sum - values[row * size + column]!);
      // A NaN must not look like no error.
      largest = error <= largest ? largest : error;
    }
  }
  return Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest;
}

/** Nothing removes what is in it, so who wants the space back must know where it is. */
async function cache(): Promise<Finding> {
  const folder = cacheDirectory(process.env);
  if (folder === null) {
    return { state: 'FAIL', text: 'the cache has no place: there is no home folder, so set XDG_CACHE_HOME to one' };
  }
  const { state, text } = await writable('the cache', folder);
  if (state !== 'ok') return { state, text: `${text}; set XDG_CACHE_HOME to a folder that can be` };
  const entries = await readdir(folder);
  const sizes = await Promise.all(
    entries.map((name) =>
      stat(join(folder, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  const megabytes = (sizes.reduce((sum, size) => sum + size, 0) / 1e6).toFixed(1);
  return { state, text: `${text} (${megabytes} MB; delete it to have the space back, what is needed is made again)` };
}

async function writable(what: string, folder: string): Promise<Finding> {
  const probe = join(folder, `.lpr-doctor-${process.pid}`);
  try {
    await makeFolder(folder);
    await writeFile(probe, '');
    await rm(probe);
    return { state: 'ok', text: `${what} can be written: ${folder}` };
  } catch (error) {
    return { state: 'FAIL', text: `${what} cannot be written: ${String(error)}` };
  }
}

/** @param largestTensor bytes that the GPU holds in one tensor; null where there is none */
function presetFinding(preset: string, largestTensor: number | null): Finding {
  const settings = resolveSettings({ preset, config: [], set: [] });
  const { memory, seconds } = predictRun(settings);
  const needs = `${(memory.total / 2 ** 30).toFixed(2)} GiB, ${seconds === null ? '' : `roughly ${formatSeconds(seconds)}`}`;
  const onGpu =
    largestTensor === null
      ? ''
      : `; a GPU batch of up to ${fittingBatch({ ...settings, device: 'gpu' }, largestTensor)}`;
  try {
    checkFits(settings);
    return {
      state: 'ok',
      text: `--preset ${preset} runs on this CPU: ${needs}; a batch of up to ${fittingBatch(settings)} fits${onGpu}`,
    };
  } catch {
    return { state: 'note', text: `--preset ${preset} needs a GPU: ${needs}${onGpu}` };
  }
}

/** The worker of a model: everything that takes time happens here, so that the page stays quick. */
import { samplingFloor } from '@lpr/metrics';
import { createGpuDevice, createWasmDevice, type Device } from '@lpr/tensor';
import { type Corpus, readCorpus } from './corpus.ts';
import type { Answer, Opening, Request } from './messages.ts';
import { BATCH, SEQUENCE } from './model.ts';
import { WINDOW } from './progress.ts';
import { Training } from './training.ts';

/** Of addresses that a device reserves; phones have few. */
const MEMORY_LIMIT = 2 ** 29;

const port = globalThis as unknown as {
  onmessage: (event: { readonly data: Request }) => void;
  postMessage(answer: Answer): void;
};

let device: { readonly kind: string; readonly opened: Device } | null = null;
let corpus: { readonly text: string; readonly read: Corpus } | null = null;
let training: Training | null = null;

async function open({ settings, side, text, sample, threads }: Opening): Promise<Answer> {
  training?.dispose();
  training = null;
  if (corpus?.text !== text) corpus = { text, read: readCorpus(text) };
  const kind = settings.device;
  if (device?.kind !== kind) {
    await device?.opened.dispose();
    device = null;
    const opened =
      kind === 'gpu'
        ? await createGpuDevice({ mode: 'webgpu' })
        : await createWasmDevice({ threads, memoryLimit: MEMORY_LIMIT });
    device = { kind, opened };
  }
  training = new Training(device.opened, corpus.read, settings, side);
  const { experts, topK, layers } = settings;
  const floor = samplingFloor({ experts, topK, tokens: WINDOW * BATCH * SEQUENCE, layers });
  return {
    kind: 'opened',
    device: device.opened.description,
    look: await training.look(sample),
    floor: floor.mean.gini.mean,
  };
}

async function answerTo(request: Request): Promise<Answer> {
  if (request.kind === 'open') return await open(request);
  if (training === null) throw new Error('no model is open');
  if (request.kind === 'look') return { kind: 'looked', look: await training.look(request.sample) };
  const step = await training.step();
  return { kind: 'stepped', step, look: request.sample === null ? null : await training.look(request.sample) };
}

let last: Promise<void> = Promise.resolve();
port.onmessage = ({ data }) => {
  last = last.then(async () => {
    try {
      port.postMessage(await answerTo(data));
    } catch (error) {
      const { name, message } = error instanceof Error ? error : new Error(String(error));
      port.postMessage({ kind: 'failed', name, message });
    }
  });
};

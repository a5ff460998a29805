/** Reads the routing traces and latents of a run, which only some figures need. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadTokenizer } from '@lpr/data';
import { decodeTrace, type Matrix, type RoutingTrace } from '@lpr/metrics';
import { decodeSafetensors, type SafetensorsTensor } from '@lpr/model';
import { hasCode } from '@lpr/train';
import { messageOf, type Part, type Run } from './run-folder.ts';

/** The same tokens at several steps; at least one trace. */
export interface Traces {
  /** Steps ascending. */
  readonly steps: readonly { readonly step: number; readonly trace: RoutingTrace }[];
  readonly last: RoutingTrace;
}

/** Latents of one layer with the first expert of each. */
export interface LayerLatents {
  readonly layer: number;
  readonly latents: Matrix;
  readonly prototypes: Matrix;
  readonly experts: Int32Array;
}

/** All traces of a run that can be read; a damaged one is left out where there is another. */
export async function readTraces({ folder }: Run): Promise<Part<Traces>> {
  const files = await stepFiles(join(folder, 'traces'), '.trace');
  const steps: { step: number; trace: RoutingTrace }[] = [];
  let problem = 'there is no trace in traces/';
  for (const { step, path, file } of files) {
    try {
      steps.push({ step, trace: decodeTrace(await readFile(path)) });
    } catch (error) {
      problem = `traces/${file}: ${messageOf(error)}`;
    }
  }
  const last = steps.at(-1)?.trace;
  return last === undefined ? { missing: problem } : { value: { steps, last } };
}

/** The newest latents of a run. */
export async function readLatents({ folder }: Run): Promise<Part<readonly LayerLatents[]>> {
  const newest = (await stepFiles(join(folder, 'latents'), '.safetensors')).at(-1);
  if (newest === undefined)
    return { missing: 'there are no latents in latents/; only latent routers write them, at the end' };
  try {
    const tensors = decodeSafetensors(await readFile(newest.path));
    const layers = Array.from(tensors.keys())
      .flatMap((name) => /^layers\.(\d+)\.latents$/.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
    if (layers.length === 0) throw new Error('it has no tensor named like layers.0.latents');
    return { value: layers.map((layer) => layerLatents(tensors, layer)) };
  } catch (error) {
    return { missing: `latents/${newest.file}: ${messageOf(error)}` };
  }
}

/** The text of each token id, from the tokenizer that the run kept. */
export async function readTexts({ folder }: Run, tokenIds: Int32Array): Promise<Part<readonly string[]>> {
  try {
    const tokenizer = await loadTokenizer(folder);
    return { value: Array.from(tokenIds, (id) => tokenizer.decode([id])) };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

function layerLatents(tensors: ReadonlyMap<string, SafetensorsTensor>, layer: number): LayerLatents {
  const matrix = (name: string): Matrix => {
    const tensor = tensors.get(`layers.${layer}.${name}`);
    const [rows, columns] = tensor?.shape ?? [];
    if (tensor === undefined || rows === undefined || columns === undefined || tensor.dtype === 'I64') {
      throw new Error(`layers.${layer}.${name} is missing or no matrix`);
    }
    return { rows, columns, values: Array.from(tensor.data, Number) };
  };
  const chosen = matrix('experts');
  return {
    layer,
    latents: matrix('latents'),
    prototypes: matrix('prototypes'),
    experts: Int32Array.from({ length: chosen.rows }, (_, token) => chosen.values[token * chosen.columns]!),
  };
}

/** Files named like `step-000123.trace`, by step; none where there is no such folder. */
async function stepFiles(folder: string, extension: string): Promise<{ step: number; path: string; file: string }[]> {
  const files = await readdir(folder).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR')) return [];
    throw error;
  });
  return files
    .filter((file) => file.endsWith(extension))
    .flatMap((file) => {
      const step = /^step-(\d+)\./.exec(file)?.[1];
      return step === undefined ? [] : [{ step: Number(step), path: join(folder, file), file }];
    })
    .toSorted((a, b) => a.step - b.step);
}

/**
 * How held-out tokens were routed, beside the evaluations of a run:
 *
 * - `traces/step-000123.trace`: experts and weights (format: @lpr/metrics, traces.ts); the same tokens at every step
 * - `latents/step-000123.safetensors`, at the end, of latent routers: `layers.I.latents` f32 `[n, D]`,
 *   `layers.I.tokens` i32 `[n]`, `layers.I.experts` i32 `[n, k]`, `layers.I.prototypes` f32 `[M, D]`; I is the layer's
 *   number in the model
 */
import { decodeTrace, type Matrix, type RoutingTrace } from '@lpr/metrics';
import { latentsFile, RUN_FOLDERS, stepsOf, traceFile } from './names.ts';
import { namesIn, type Part, readPart, readWhole, type RunFiles } from './run-files.ts';

/** The same tokens at several steps; at least one trace. */
export interface Traces {
  /** Steps ascending. */
  readonly steps: readonly { readonly step: number; readonly trace: RoutingTrace }[];
  readonly last: RoutingTrace;
}

/** Latents of one layer with the first expert of each. */
export interface LayerLatents {
  /** At which they were written. */
  readonly step: number;
  readonly layer: number;
  readonly latents: Matrix;
  readonly prototypes: Matrix;
  readonly experts: Int32Array;
}

/** What the file of latents holds of a layer. */
export type LatentPart = 'latents' | 'tokens' | 'experts' | 'prototypes';

/** What the latents of a layer are called in their file. */
export function latentName(layer: number, part: LatentPart): string {
  return `layers.${layer}.${part}`;
}

/** Steps at which a trace was written, ascending. */
export async function traceSteps(files: RunFiles): Promise<number[]> {
  return stepsOf(await namesIn(files, RUN_FOLDERS.traces), '.trace');
}

/** The trace of one step; null where it is damaged or gone. */
export async function readTrace(files: RunFiles, step: number): Promise<RoutingTrace | null> {
  return (await tracePart(files, step)).value ?? null;
}

async function tracePart(files: RunFiles, step: number): Promise<Part<RoutingTrace>> {
  return await readPart(files, traceFile(step), async (file) => decodeTrace(await readWhole(file)));
}

/** All traces of a run that can be read; a damaged one is left out where there is another. */
export async function readTraces(files: RunFiles): Promise<Part<Traces>> {
  const steps: { step: number; trace: RoutingTrace }[] = [];
  let missing = `there is no trace in ${RUN_FOLDERS.traces}/`;
  for (const step of await traceSteps(files)) {
    const part = await tracePart(files, step);
    if (part.value === undefined) missing = part.missing;
    else steps.push({ step, trace: part.value });
  }
  const last = steps.at(-1)?.trace;
  return last === undefined ? { missing } : { value: { steps, last } };
}

/** Tensors by name, as a file of safetensors holds them. */
export type DecodeTensors = (
  bytes: Uint8Array,
) => ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> | ArrayLike<bigint> }>;

/** The newest latents of a run. @param decode reads safetensors */
export async function readLatents(files: RunFiles, decode: DecodeTensors): Promise<Part<readonly LayerLatents[]>> {
  const newest = stepsOf(await namesIn(files, RUN_FOLDERS.latents), '.safetensors').at(-1);
  if (newest === undefined) {
    return {
      missing: `there are no latents in ${RUN_FOLDERS.latents}/; only latent routers write them, at the end`,
    };
  }
  return await readPart(files, latentsFile(newest), async (file) => {
    const tensors = decode(await readWhole(file));
    const layers = Array.from(tensors.keys())
      .flatMap((name) => /^layers\.(\d+)\.latents$/.exec(name)?.[1] ?? [])
      .map(Number)
      .toSorted((a, b) => a - b);
    if (layers.length === 0) throw new Error(`it has no tensor named like ${latentName(0, 'latents')}`);
    return layers.map((layer) => ({ step: newest, ...layerLatents(tensors, layer) }));
  });
}

function layerLatents(tensors: ReturnType<DecodeTensors>, layer: number): Omit<LayerLatents, 'step'> {
  const matrix = (part: LatentPart): Matrix => {
    const tensor = tensors.get(latentName(layer, part));
    const [rows, columns] = tensor?.shape ?? [];
    // Zero is refused too: there is a token, a direction, an expert.
    if (tensor === undefined || !rows || !columns || tensor.shape.length !== 2) {
      throw new Error(`${latentName(layer, part)} is missing or no matrix`);
    }
    return { rows, columns, values: Array.from(tensor.data as ArrayLike<number>, Number) };
  };
  const [latents, prototypes, chosen] = [matrix('latents'), matrix('prototypes'), matrix('experts')];
  if (chosen.rows !== latents.rows) {
    throw new Error(
      `${latentName(layer, 'experts')} has ${chosen.rows} rows and ${latentName(layer, 'latents')} ${latents.rows}; each token has one in both`,
    );
  }
  if (prototypes.columns !== latents.columns) {
    throw new Error(
      `${latentName(layer, 'prototypes')} has ${prototypes.columns} columns and ${latentName(layer, 'latents')} ${latents.columns}; they lie in one space`,
    );
  }
  const check = (
    part: LatentPart,
    { columns, values }: Matrix,
    isValid: (v: number) => boolean,
    what: string,
  ): void => {
    const at = Array.from(values).findIndex((value) => !isValid(value));
    if (at < 0) return;
    const place = `[${Math.floor(at / columns)}][${at % columns}]`;
    throw new Error(`${latentName(layer, part)}${place} is ${values[at]}; it must be ${what}`);
  };
  check('latents', latents, Number.isFinite, 'finite');
  check('prototypes', prototypes, Number.isFinite, 'finite');
  const isExpert = (value: number): boolean => Number.isInteger(value) && value >= 0 && value < prototypes.rows;
  check('experts', chosen, isExpert, `an expert, from 0 to ${prototypes.rows - 1}`);
  return {
    ...{ layer, latents, prototypes },
    experts: Int32Array.from({ length: chosen.rows }, (_, token) => chosen.values[token * chosen.columns]!),
  };
}

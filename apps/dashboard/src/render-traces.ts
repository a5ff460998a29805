/** The figures that are drawn from routing traces and latents. */
import { join } from 'node:path';
import {
  coActivationMatrix,
  coActivationSize,
  domainSpecialisation as domainFigure,
  domainsSize,
  latentGeometry,
  latentGeometrySize,
  latentSpace,
  latentsSize,
  routerSaturation,
  routingStrip,
  routingStripSize,
  saturationSize,
  vocabularySize,
  vocabularySpecialisation as vocabularyFigure,
} from '@lpr/charts';
import {
  coActivation,
  domainSpecialisation,
  keyReport,
  latentReport,
  type Matrix,
  principalComponents,
  projectPoints,
  type RoutingTrace,
  saturation,
  traceLoads,
  vocabularySpecialisation,
} from '@lpr/metrics';
import { loadTokenizer } from '@lpr/data';
import { decodeSafetensors } from '@lpr/model';
import {
  type LayerLatents,
  messageOf,
  type Part,
  readLatents,
  readTraces,
  type Run,
  RUN_FILES,
  type Traces,
} from '@lpr/runs';
import { collect, type Drawn, type FigureKind, perRun, picture, someLayers } from './render-figures.ts';

/** Tokens of the text that is shown word by word. */
const STRIP_TOKENS = 96;
/** More latents would be one blot. */
const MOST_POINTS = 2000;

export const TRACE_FIGURES: readonly FigureKind[] = [
  {
    name: 'routing-strip',
    title: 'A text, token by token',
    caption:
      'The first held-out tokens with the experts that each went to, as wide as their weights. In each layer the experts that carry most weight here have a colour.',
    draw: async (runs) => {
      const traces = await tracesOf(runs);
      const texts = new Map<Run, Part<readonly string[]>>();
      for (const run of runs) {
        const trace = traces.get(run)!;
        texts.set(run, trace.value ? await readTexts(run, trace.value.last.tokenIds.slice(0, STRIP_TOKENS)) : trace);
      }
      return perRun(
        runs,
        (run) => texts.get(run)!,
        (tokens, run) => strip(run.name, tokens, traces.get(run)!.value!.last),
      );
    },
  },
  {
    name: 'saturation',
    title: 'Router saturation',
    caption:
      "How much of its final routing a router has at each step: the share of a token's experts that are among its experts at the end.",
    draw: async (runs) => {
      const traces = await tracesOf(runs);
      const { found, missing } = collect(runs, (run): Part<Traces> => {
        const part = traces.get(run)!;
        return part.value?.steps.length === 1 ? { missing: 'there is only one trace; it compares steps' } : part;
      });
      if (found.length === 0) return { pictures: [], missing };
      const chance = commonOf(found.map(({ value }) => uniformShare(value.last)));
      const input = {
        runs: found.map(({ run, value: { steps, last } }) => ({
          name: run.name,
          points: steps.map(({ step, trace }) => ({ step, layers: saturation(trace, last) })),
        })),
        ...(chance !== undefined && { chance }),
      };
      return { pictures: [picture(input, routerSaturation, saturationSize)], missing };
    },
  },
  {
    name: 'coactivation',
    title: 'Experts that work together',
    caption:
      'Of the tokens of expert i, the share that goes to expert j too, in the first, the middle and the last layer.',
    draw: async (runs) =>
      await perTrace(runs, (trace) =>
        picture(
          { panels: panelsOf(trace, (layer) => coActivation(trace, layer).conditional) },
          coActivationMatrix,
          coActivationSize,
        ),
      ),
  },
  {
    name: 'domains',
    title: 'Experts by domain',
    caption:
      'Share of the tokens of each domain that go to an expert, over the share that it gets of all when domains do not matter.',
    draw: async (runs) =>
      await perTrace(
        runs,
        (trace) => {
          const { domains, experts } = trace;
          const topK = Math.round(100 * uniformShare(trace) * experts) / 100;
          const input = { domains, topK, panels: panelsOf(trace, (layer) => domainSpecialisation(trace, layer)) };
          return picture(input, domainFigure, domainsSize);
        },
        ({ domains }) => (domains.length < 2 ? 'its held-out text has only one domain' : undefined),
      ),
  },
  {
    name: 'vocabulary',
    title: 'Experts by token',
    caption:
      'How much experts keep to tokens of their own: near uniform routing the token does not matter, at 1 an expert has all of its tokens.',
    draw: async (runs) => {
      const traces = await tracesOf(runs);
      const { found, missing } = collect(runs, (run) => traces.get(run)!);
      if (found.length === 0) return { pictures: [], missing };
      const uniform = commonOf(found.map(({ value }) => uniformShare(value.last)));
      const input = {
        runs: found.map(({ run, value: { last } }) => ({
          name: run.name,
          layers: Array.from({ length: last.layers }, (_, layer) => vocabularySpecialisation(last, layer)),
        })),
        ...(uniform !== undefined && { uniform }),
      };
      return { pictures: [picture(input, vocabularyFigure, vocabularySize)], missing };
    },
  },
  {
    name: 'latents',
    title: 'Latent space',
    caption:
      'Latents of held-out tokens and the prototypes on the two directions in which the latents differ most; where only angles count, all on the unit sphere.',
    draw: async (runs) =>
      await perLatents(runs, (layers, { facts: { byAngle } }) => {
        const shown = someLayers(layers.length).map((at) => layers[at]!);
        return picture({ panels: shown.map((layer) => latentPanel(layer, byAngle)) }, latentSpace, latentsSize);
      }),
  },
  {
    name: 'latent-geometry',
    title: 'Geometry of the latent space',
    caption:
      'Left, the angles between prototypes: the closer to the Welch bound, the better they share the space. Right, how many directions the latents use.',
    draw: async (runs) =>
      await perLatents(runs, (layers) => {
        const { welchFloor } = keyReport(layers[0]!.prototypes);
        const input = { layers: layers.map(geometryOf), welchFloor };
        return picture(input, latentGeometry, latentGeometrySize);
      }),
  },
];

/** The text of each token id, from the tokenizer that the run kept. */
async function readTexts({ folder }: Run, tokenIds: Int32Array): Promise<Part<readonly string[]>> {
  try {
    const tokenizer = await loadTokenizer(join(folder, RUN_FILES.tokenizer));
    return { value: Array.from(tokenIds, (id) => tokenizer.decode([id])) };
  } catch (error) {
    return { missing: messageOf(error) };
  }
}

async function tracesOf(runs: readonly Run[]): Promise<ReadonlyMap<Run, Part<Traces>>> {
  const traces = new Map<Run, Part<Traces>>();
  for (const run of runs) traces.set(run, await readTraces(run.files));
  return traces;
}

/** A figure of the last trace of each run, where `refuse` has nothing against it. */
async function perTrace(
  runs: readonly Run[],
  draw: (trace: RoutingTrace) => ReturnType<typeof picture>,
  refuse: (trace: RoutingTrace) => string | undefined = () => undefined,
): Promise<Drawn> {
  const traces = await tracesOf(runs);
  return perRun(
    runs,
    (run): Part<RoutingTrace> => {
      const { value, ...rest } = traces.get(run)!;
      if (value === undefined) return rest as Part<RoutingTrace>;
      const missing = refuse(value.last);
      return missing === undefined ? { value: value.last } : { missing };
    },
    draw,
  );
}

/** A figure of the latents of each run. */
async function perLatents(
  runs: readonly Run[],
  draw: (layers: readonly LayerLatents[], run: Run) => ReturnType<typeof picture>,
): Promise<Drawn> {
  const latents = new Map<Run, Part<readonly LayerLatents[]>>();
  for (const run of runs) latents.set(run, await readLatents(run.files, decodeSafetensors));
  return perRun(runs, (run) => latents.get(run)!, draw);
}

function geometryOf({ layer, latents, prototypes }: LayerLatents) {
  const { rows, columns, values } = onSphere(prototypes);
  const cosines: number[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) {
      let cosine = 0;
      for (let d = 0; d < columns; d++) cosine += values[i * columns + d]! * values[j * columns + d]!;
      cosines.push(cosine);
    }
  }
  return { layer, cosines, eigenvalues: latentReport(latents).eigenvalues };
}

function panelsOf<T>(trace: RoutingTrace, sharesOf: (layer: number) => T): { name: string; shares: T }[] {
  return someLayers(trace.layers).map((layer) => ({ name: `Layer ${layer}`, shares: sharesOf(layer) }));
}

/** The share of the tokens that an expert gets when all get as many: experts of a token over all experts. */
function uniformShare(trace: RoutingTrace): number {
  const pairs = traceLoads(trace, 0).reduce((sum, load) => sum + load, 0);
  return pairs / (trace.tokens * trace.experts);
}

function commonOf(values: readonly number[]): number | undefined {
  return values.every((value) => Math.abs(value - values[0]!) < 1e-9) ? values[0] : undefined;
}

function strip(name: string, tokens: readonly string[], trace: RoutingTrace) {
  const { experts, slots } = trace;
  const layers = someLayers(trace.layers).map((layer) => {
    const rows = tokens.map((_, token) => {
      const start = (layer * trace.tokens + token) * slots;
      const taken = Array.from({ length: slots }, (_, slot) => start + slot).filter(
        (at) => trace.chosen[at]! < experts,
      );
      return { experts: taken.map((at) => trace.chosen[at]!), weights: taken.map((at) => trace.weights[at]!) };
    });
    return { layer, experts: rows.map((row) => row.experts), weights: rows.map((row) => row.weights) };
  });
  return picture({ name, tokens, layers }, routingStrip, routingStripSize);
}

function latentPanel({ layer, latents, prototypes, experts }: LayerLatents, byAngle: boolean) {
  const [points, keys] = byAngle ? [onSphere(latents), onSphere(prototypes)] : [latents, prototypes];
  const components = principalComponents(points, 2);
  const every = Math.ceil(points.rows / MOST_POINTS);
  const shown = (_: unknown, token: number): boolean => token % every === 0;
  return {
    name: `Layer ${layer}`,
    points: projectPoints(points, components).filter(shown),
    experts: experts.filter(shown),
    prototypes: projectPoints(keys, components),
    explained: [components.explained[0]!, components.explained[1]!] as const,
  };
}

/** Rows divided by their lengths. */
function onSphere({ rows, columns, values }: Matrix): Matrix {
  const unit = Float64Array.from(values);
  for (let row = 0; row < rows; row++) {
    const own = unit.subarray(row * columns, (row + 1) * columns);
    const length = Math.hypot(...own) || 1;
    for (let d = 0; d < columns; d++) own[d]! /= length;
  }
  return { rows, columns, values: unit };
}

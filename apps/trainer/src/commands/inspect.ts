/**
 * `pnpm trainer inspect`: how the prototypes of a model's routers lie; when asked, how alike its experts are; and,
 * given a text, where its tokens go.
 */
import { biasRange, effectiveRank, type KeyReport, keyReport, squaredSingularValues } from '@lpr/metrics';
import { planDecoder } from '@lpr/model';
import { readWeights } from '@lpr/model/node';
import { routerTraits } from '@lpr/moe';
import { alignColumns } from '@lpr/report/tables';
import { UsageError } from '../cli/errors.ts';
import { evaluationReport } from '../run/evaluation-report.ts';
import { findModel, type ModelSource } from '../run/model-source.ts';
import { type EvalOptions, evaluateModel } from './eval.ts';
import { shown } from './shared.ts';
import { similarityOf, similarityReport, similarityRows } from './similarity.ts';

export interface InspectOptions extends Omit<EvalOptions, 'split' | 'domain'> {
  readonly tokens: number;
  /** Whether to measure how alike experts are, and on how many tokens. */
  readonly similarity?: number | true;
}

/** The prototypes of one layer. */
interface LayerGeometry extends KeyReport {
  readonly layer: number;
  /** Method of routing. */
  readonly router: string;
  /** Experts, and width of the space that their prototypes lie in. */
  readonly experts: number;
  readonly width: number;
  /** Euclidean norms. */
  readonly norm: { readonly smallest: number; readonly mean: number; readonly largest: number };
  /** How many directions the prototypes span: `exp` of the entropy of the shares of the squared singular values. */
  readonly effectiveRank: number;
  /** Largest less smallest selection bias; null where the method has none. */
  readonly biasRange: number | null;
}

export async function inspectModel(path: string, options: InspectOptions): Promise<void> {
  const source = await findModel(path, options.tokenizer);
  const layers = await geometryOf(source);
  const { similarity: wanted } = options;
  const similarity = wanted === undefined ? null : await similarityOf(path, source, { ...options, similarity: wanted });
  const text =
    options.text.length === 0 ? null : await evaluateModel(path, { ...options, split: 'held-out', domain: [] });
  if (options.json) {
    const alike = similarity && { what: similarity.what, layers: similarityRows(similarity.layers) };
    console.log(JSON.stringify({ model: source.folder, layers, similarity: alike, text }));
    return;
  }
  console.log(geometryTable(layers));
  if (similarity !== null) console.log(`\n${similarityReport(similarity)}`);
  if (similarity !== null && similarity.file !== null) console.log(shown(similarity.file));
  if (text !== null) console.log(`\n${evaluationReport(text)}`);
}

async function geometryOf({ folder, config }: ModelSource): Promise<LayerGeometry[]> {
  const gates = planDecoder(config).layers.flatMap(({ feedForward }, layer) =>
    feedForward.kind === 'moe'
      ? [{ layer, plan: feedForward, at: `model.layers.${layer}.${feedForward.name}.gate.` }]
      : [],
  );
  if (gates.length === 0)
    throw new UsageError(`${folder}: the model has no experts, so there are no routers to look at`);
  const weights = await readWeights(folder, (name) => gates.some(({ at }) => name.startsWith(at)));
  return gates.map(({ layer, plan, at }) => {
    // The first of those that have a row for each expert are the prototypes, under the name that the measure gives
    // them.
    const names = routerTraits(plan.router).expertTensors;
    const keys = names.map((name) => weights.get(`${at}${name}`)).find((found) => found?.shape.length === 2);
    if (keys === undefined) {
      throw new UsageError(`${folder}: the router of layer ${layer} (${plan.router.kind}) has no row for each expert`);
    }
    const [experts = 0, width = 0] = keys.shape;
    const matrix = { rows: experts, columns: width, values: keys.data };
    const norms = Array.from({ length: experts }, (_, i) =>
      Math.hypot(...keys.data.subarray(i * width, (i + 1) * width)),
    );
    const bias = weights.get(`${at}e_score_correction_bias`) ?? weights.get(`${at}selection_bias`);
    return {
      layer,
      router: plan.router.kind,
      experts,
      width,
      norm: {
        smallest: Math.min(...norms),
        mean: norms.reduce((sum, norm) => sum + norm, 0) / experts,
        largest: Math.max(...norms),
      },
      ...keyReport(matrix),
      effectiveRank: effectiveRank(squaredSingularValues(matrix)),
      biasRange: bias === undefined ? null : biasRange(bias.data),
    };
  });
}

function geometryTable(layers: readonly LayerGeometry[]): string {
  const rows = layers.map(({ layer, router, experts, width, norm, biasRange: bias, ...cosines }) => [
    `layer ${layer}`,
    router,
    `${experts} x ${width}`,
    `${norm.smallest.toPrecision(3)} ${norm.mean.toPrecision(3)} ${norm.largest.toPrecision(3)}`,
    cosines.mean.toFixed(3),
    cosines.rms.toFixed(3),
    cosines.largest.toFixed(3),
    cosines.welchFloor.toFixed(3),
    cosines.effectiveRank.toFixed(1),
    bias === null ? '-' : bias.toPrecision(3),
  ]);
  const head = [
    '',
    'router',
    'prototypes',
    'norm: min mean max',
    'mean cos',
    'rms cos',
    'largest cos',
    'Welch floor',
    'rank',
    'bias range',
  ];
  return alignColumns([head, ...rows]).join('\n');
}

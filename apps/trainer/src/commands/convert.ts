/** `pnpm trainer convert`: a trained model with latent experts in place of its own, and what that loses. */
import { countParameters } from '@lpr/model';
import { checkLatentExperts, type LatentLayer, toLatentExperts } from '../compression/latent-experts.ts';
import { alignColumns } from '@lpr/report/tables';
import { findModel } from '../run/model-source.ts';
import { writeCompressed } from './compressed.ts';
import { shown } from './shared.ts';

export interface ConvertOptions {
  /** Width of the space that the experts of a layer are to share. */
  readonly latentExperts: number;
  readonly out: string;
  readonly tokenizer?: string;
  readonly json?: true;
}

export async function convertModel(path: string, options: ConvertOptions): Promise<void> {
  const source = await findModel(path, options.tokenizer);
  checkLatentExperts(source.config, options.latentExperts);
  const { config, layers } = await writeCompressed(source, {
    out: options.out,
    compress: async (_, weights) => toLatentExperts(source.config, await weights(), options.latentExperts),
  });
  const parameters = { before: countParameters(source.config).total, after: countParameters(config).total };
  if (options.json) {
    console.log(JSON.stringify({ model: source.folder, latentDim: options.latentExperts, layers, parameters }));
    return;
  }
  console.log(errorTable(layers));
  console.log(`\n${parametersText(parameters)}\n${shown(options.out)}`);
}

function errorTable(layers: readonly LatentLayer[]): string {
  const rows = layers.map(({ layer, gate, up, down }) => [
    `layer ${layer}`,
    ...[gate, up, down].map((error) => error.toFixed(4)),
  ]);
  return alignColumns([['relative error', 'gate', 'up', 'down'], ...rows]).join('\n');
}

export function parametersText({ before, after }: { readonly before: number; readonly after: number }): string {
  const share = ((100 * after) / before).toFixed(1);
  return `${after.toLocaleString('en')} of ${before.toLocaleString('en')} parameters (${share} %)`;
}

/** Figures of what experts are chosen for. */
import {
  coActivationMatrix,
  coActivationSize,
  expertGroups,
  expertGroupsSize,
  expertSimilarity,
  expertSimilaritySize,
  routerSaturation,
  routingStrip,
  routingStripSize,
  saturationSize,
  vocabularySize,
  vocabularySpecialisation,
} from '../../src/index.ts';
import { list, type Sample, sample, type SampleModel } from './sample.ts';

const TEXT =
  'The router sends every token to a few experts; β is not a load.\nWhat an expert has not seen it cannot learn → 3 × 10⁻⁴, dé jà vu.';

export function samplesOfChoices({ layers, experts, topK, shownLayers, prefix, random }: SampleModel): Sample[] {
  const tokens = TEXT.match(/ ?[^\s]{1,6}|\s/gu)!;
  const coActivation = (): number[][] =>
    list(experts, (i) => list(experts, (j) => (random() ** 8 + (Math.abs(i - j) < 3 ? 0.3 : 0)) / 2));
  return [
    sample(
      'coactivation',
      { panels: shownLayers.map((layer) => ({ name: `${prefix}Layer ${layer}`, shares: coActivation() })) },
      coActivationMatrix,
      coActivationSize,
    ),
    sample(
      'similarity',
      {
        panels: shownLayers.map((layer) => ({
          name: `${prefix}Layer ${layer}`,
          similarity: list(experts, (i) => list(experts, (j) => (i === 1 ? Number.NaN : 1 / (1 + Math.abs(i - j))))),
          mean: 0.412,
          independent: 0.034,
        })),
      },
      expertSimilarity,
      expertSimilaritySize,
    ),
    sample(
      'domains',
      {
        groups: ['C4', 'Wikipedia', 'source code', 'arXiv mathematics'].map((domain) => prefix + domain),
        groupName: 'domain',
        panels: shownLayers.map((layer) => {
          const overall = list(experts, (expert) => (expert === 2 ? 0 : topK / experts));
          return {
            ...{ name: `${prefix}Layer ${layer}`, about: 'I(expert; domain) 0.0123 nats, independent 0.0004', overall },
            shares: list(4, () => overall.map((share) => 2 * random() * share)),
          };
        }),
      },
      expertGroups,
      expertGroupsSize,
    ),
    sample(
      'positions',
      {
        groups: list(8, (i) => `${prefix}${16 * i}-${16 * i + 15}`),
        ...{ groupName: 'position', namesAxis: true },
        panels: shownLayers.map((layer) => {
          const overall = list(experts, (expert) => (0.5 + expert / experts) * (topK / experts));
          return {
            ...{ name: `${prefix}Layer ${layer}`, overall },
            shares: list(8, (group) =>
              overall.map((share, expert) => (0.8 + 0.1 * ((3 * group + expert) % 5)) * share),
            ),
          };
        }),
      },
      expertGroups,
      expertGroupsSize,
    ),
    sample(
      'vocabulary',
      {
        runs: ['Top-k', 'LPR'].map((name, i) => ({
          name: prefix + name,
          layers: list(layers, () => list(experts, () => 0.1 + 0.2 * i + 0.3 * random())),
        })),
        uniform: topK / experts,
      },
      vocabularySpecialisation,
      vocabularySize,
    ),
    sample(
      'saturation',
      {
        runs: ['Top-k', 'LPR'].map((name) => ({
          name: prefix + name,
          points: list(12, (i) => ({
            step: 500 * i,
            layers: list(layers, (layer) => 1 - (1 - i / 11) * (0.5 + (0.4 * layer) / layers)),
            chance: list(layers, (layer) => (topK / experts) * (1 + (0.1 * layer) / layers + 1 / (i + 3))),
          })),
        })),
      },
      routerSaturation,
      saturationSize,
    ),
    sample(
      'routing-strip',
      {
        name: `${prefix}Qwen3-MoE-LPR: a text`,
        tokens,
        layers: shownLayers.map((layer) => ({
          layer,
          experts: tokens.map((_, i) => list(topK, (slot) => (i * 7 + slot * 5 + layer) % experts)),
          weights: tokens.map(() => list(topK, (slot) => 1 / (slot + 1.5))),
        })),
      },
      routingStrip,
      routingStripSize,
    ),
  ];
}

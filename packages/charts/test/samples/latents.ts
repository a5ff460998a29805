/** Figures of the latent space of a prototype router. */
import {
  latentGeometry,
  latentGeometrySize,
  latentSpace,
  latentsSize,
  tokenScores,
  tokenScoresSize,
} from '../../src/index.ts';
import { list, type Sample, sample, type SampleModel } from './sample.ts';

/** Of a text that a reader typed. */
export function samplesOfTokens({ layers, experts, topK, prefix, random }: SampleModel): Sample[] {
  const words = ['The', ' router', ' sends', '{b}', '<b>', '↵', ' every', ' token', ' to', ' a', ' few', ' experts'];
  return [
    sample(
      'token-scores',
      {
        name: `${prefix} router`,
        layers: list(layers, (layer) => ({
          layer: layer + 1,
          scores: list(experts, (i) => (i === 5 ? -1e30 : Math.sin(i * (layer + 1)) * 10 ** (layer % 3))),
          chosen: list(topK, (i) => (3 * i + layer) % experts),
        })),
      },
      tokenScores,
      tokenScoresSize,
    ),
    sample(
      'latents-of-a-text',
      {
        panels: [
          {
            name: `${prefix}Layer 1`,
            points: words.map(() => [2 * random() - 1, 2 * random() - 1]),
            experts: words.map((_, i) => i % experts),
            texts: words,
            chosen: 1,
            prototypes: list(experts, (i) => [Math.cos(i), Math.sin(i)]),
            explained: [0.31, 0.22] as const,
          },
        ],
      },
      latentSpace,
      latentsSize,
    ),
  ];
}

export function samplesOfLatents({ layers, experts, shownLayers, prefix, random }: SampleModel): Sample[] {
  return [
    sample(
      'latents',
      {
        panels: shownLayers.map((layer) => ({
          name: `${prefix}Layer ${layer}`,
          points: list(600, (i) => [
            Math.cos(i % experts) + 0.3 * (random() - 0.5),
            Math.sin(i % experts) + 0.3 * (random() - 0.5),
          ]),
          experts: list(600, (i) => (i % 5 === 0 ? i % experts : i % Math.min(experts, 12))),
          prototypes: list(experts, (i) => [Math.cos(i), Math.sin(i)]),
          explained: [0.31, 0.22] as const,
        })),
      },
      latentSpace,
      latentsSize,
    ),
    sample(
      'latent-geometry',
      {
        layers: list(layers, (layer) => ({
          layer,
          cosines: list(500, () => (random() + random() + random()) / 1.5 - 1),
          eigenvalues: list(16, (i) => Math.exp(-i * (0.05 + (0.3 * layer) / layers))),
        })),
        welchFloor: 0.2,
      },
      latentGeometry,
      latentGeometrySize,
    ),
  ];
}

/** Figures of the latent space of a prototype router. */
import { latentGeometry, latentGeometrySize, latentSpace, latentsSize } from '../../src/index.ts';
import { list, type Sample, sample, type SampleModel } from './sample.ts';

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

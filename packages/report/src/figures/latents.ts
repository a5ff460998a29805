/** The latent space of a prototype router: where latents and prototypes lie, and how they spread. */
import {
  latentGeometry as latentGeometryChart,
  type LatentGeometryInput,
  latentGeometrySize,
  latentSpace,
  type LatentsInput,
  latentsSize,
} from '@lpr/charts';
import { keyReport, latentPlane, type LatentPlane, latentReport, onSphere } from '@lpr/metrics';
import type { LayerLatents } from '@lpr/runs/browser';
import {
  defineFigure,
  type FigureOf,
  type FigureRecord,
  type FigureWith,
  layersText,
  perRun,
  someLayers,
  whole,
} from './figure.ts';

export type LatentNumbers = Pick<LatentsInput, 'panels'>;
export type GeometryNumbers = Pick<LatentGeometryInput, 'layers' | 'welchFloor'>;

/** More latents would be one blot. */
const MOST_POINTS = 2000;

function ofLayers(run: string, layers: readonly LayerLatents[]): FigureOf {
  const {
    step,
    latents: { rows: tokens },
  } = layers[0]!;
  return { runs: [run], text: 'held-out', tokens, step, layers: layers.map(({ layer }) => layer), label: run };
}

function textOf({ tokens = 0, step = 0, layers = [] }: FigureOf): string {
  return `${whole(tokens)} held-out tokens at step ${whole(step)}, ${layersText(layers)}`;
}

const LATENTS_CAPTION =
  'Latents of held-out tokens and the prototypes on the two directions in which the latents differ most; where only angles count, all on the unit sphere.';

export const latents: FigureWith<LatentNumbers> = defineFigure<LatentNumbers>({
  name: 'latents',
  heading: 'Latent space',
  caption: LATENTS_CAPTION,
  needs: ['latents'],
  records: (runs) =>
    perRun(
      runs,
      (run) => run.latents,
      (layers, { name, facts: { byAngle } }) => {
        const shown = someLayers(layers.length).map((at) => layers[at]!);
        const of = ofLayers(name, shown);
        return {
          kind: 'latents',
          title: `Latent space: ${textOf(of)}`,
          caption: LATENTS_CAPTION,
          of,
          numbers: { panels: shown.map((layer) => panelOf(layer, byAngle)) },
          levels: [],
          notes: [],
        };
      },
    ),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { width }) };
    return { option: latentSpace(input, theme), size: latentsSize(input) };
  },
  table: ({ panels }) => ({
    header: ['layer', 'what', 'first component', 'second component', 'expert'],
    rows: panels.flatMap(({ name, points, experts, prototypes }) => [
      ...points.map((point, i) => [name, 'token', point[0]!, point[1]!, experts[i]!]),
      ...prototypes.map((point, expert) => [name, 'prototype', point[0]!, point[1]!, expert]),
    ]),
  }),
});

function panelOf(
  { layer, latents: all, prototypes, experts }: LayerLatents,
  byAngle: boolean,
): LatentNumbers['panels'][number] {
  const { points, ...plane } = latentPlane(all, prototypes, { byAngle, of: 'latents' });
  const every = Math.ceil(all.rows / MOST_POINTS);
  const shown = (_: unknown, token: number): boolean => token % every === 0;
  return { name: `Layer ${layer}`, points: points.filter(shown), experts: experts.filter(shown), ...plane };
}

const GIVEN_CAPTION =
  'Latents of the tokens above and the prototypes of the layer on the two directions in which they all differ most; where only angles count, all on the unit sphere.';

/** A layer as a text that was given to a page goes through it. */
export function givenLatentsRecord(
  run: string,
  step: number,
  layer: number,
  {
    plane,
    ...tokens
  }: { readonly plane: LatentPlane } & Required<Pick<LatentNumbers['panels'][number], 'experts' | 'texts' | 'chosen'>>,
): FigureRecord<LatentNumbers> {
  const count = plane.points.length;
  return {
    kind: 'latents',
    title: `Latent space: ${whole(count)} tokens of the text above at step ${whole(step)}, ${layersText([layer])}`,
    caption: GIVEN_CAPTION,
    of: { runs: [run], text: 'given', tokens: count, step, layers: [layer], label: run },
    numbers: { panels: [{ name: `Layer ${layer}`, ...plane, ...tokens }] },
    levels: [],
    notes: [GIVEN_CAPTION],
  };
}

const GEOMETRY_CAPTION =
  'Left, the angles between prototypes: the closer to the Welch bound, the better they share the space. Right, how many directions the latents use.';

export const latentGeometry: FigureWith<GeometryNumbers> = defineFigure<GeometryNumbers>({
  name: 'latent-geometry',
  heading: 'Geometry of the latent space',
  caption: GEOMETRY_CAPTION,
  needs: ['latents'],
  records: (runs) =>
    perRun(
      runs,
      (run) => run.latents,
      (layers, { name }) => {
        const of = ofLayers(name, layers);
        return {
          kind: 'latent-geometry',
          title: `Geometry of the latent space: ${textOf(of)}`,
          caption: GEOMETRY_CAPTION,
          of,
          numbers: { layers: layers.map(geometryOf), welchFloor: keyReport(layers[0]!.prototypes).welchFloor },
          levels: [],
          notes: [],
        };
      },
    ),
  draw(numbers, { theme, width }) {
    const input = { ...numbers, ...(width !== undefined && { width }) };
    return { option: latentGeometryChart(input, theme), size: latentGeometrySize(input) };
  },
  table: ({ layers }) => ({
    header: ['layer', 'what', 'value'],
    rows: layers.flatMap(({ layer, cosines, eigenvalues }) => [
      ...Array.from(cosines, (cosine) => [layer, 'cosine of two prototypes', cosine]),
      ...Array.from(eigenvalues, (value) => [layer, 'eigenvalue', value]),
    ]),
  }),
});

function geometryOf({ layer, latents: all, prototypes }: LayerLatents): GeometryNumbers['layers'][number] {
  const { rows, columns, values } = onSphere(prototypes);
  const cosines: number[] = [];
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < i; j++) {
      let cosine = 0;
      for (let d = 0; d < columns; d++) cosine += values[i * columns + d]! * values[j * columns + d]!;
      cosines.push(cosine);
    }
  }
  return { layer, cosines, eigenvalues: latentReport(all).eigenvalues };
}

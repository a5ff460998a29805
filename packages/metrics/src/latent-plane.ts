/** Latents and the prototypes beside them in the plane in which they differ most. */
import type { Matrix } from './matrix.ts';
import { principalComponents, projectPoints } from './principal-components.ts';

export interface LatentPlane {
  /** `[n][2]`: latents on the two directions. */
  readonly points: readonly Float64Array[];
  /** `[M][2]`: prototypes on the same. */
  readonly prototypes: readonly Float64Array[];
  /** Share of the variance along each; `NaN` where all are equal. */
  readonly explained: readonly [number, number];
}

export interface LatentPlaneOptions {
  /** Whether lengths do not count: all are put on the unit sphere first. */
  readonly byAngle: boolean;
  /** Of what the two directions are the principal components: of few latents those of the prototypes too. */
  readonly of: 'latents' | 'latents and prototypes';
}

/**
 * Latents `[n, D]` and prototypes `[M, D]` in one plane.
 *
 * @throws RangeError where they are not as wide as each other, or there is none
 */
export function latentPlane(latents: Matrix, keys: Matrix, { byAngle, of }: LatentPlaneOptions): LatentPlane {
  const [points, prototypes] = byAngle ? [onSphere(latents), onSphere(keys)] : [latents, keys];
  const spread = of === 'latents' ? points : joined(points, prototypes);
  const { mean, axes, explained } = principalComponents(spread, Math.min(2, spread.columns));
  // In a space of one dimension there is no second direction.
  const directions = { mean, axes: axes.length === 2 ? axes : [...axes, new Float64Array(mean.length)] };
  return {
    points: projectPoints(points, directions),
    prototypes: projectPoints(prototypes, directions),
    explained: [explained[0]!, explained[1] ?? 0],
  };
}

function joined(first: Matrix, second: Matrix): Matrix {
  const values = new Float64Array(first.rows * first.columns + second.rows * second.columns);
  values.set(Float64Array.from(first.values));
  values.set(Float64Array.from(second.values), first.rows * first.columns);
  return { rows: first.rows + second.rows, columns: first.columns, values };
}

/** Rows divided by their lengths. */
export function onSphere({ rows, columns, values }: Matrix): Matrix {
  const unit = Float64Array.from(values);
  for (let row = 0; row < rows; row++) {
    const own = unit.subarray(row * columns, (row + 1) * columns);
    const length = Math.hypot(...own) || 1;
    for (let d = 0; d < columns; d++) own[d]! /= length;
  }
  return { rows, columns, values: unit };
}

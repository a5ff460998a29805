/** Principal components: the directions in which points differ most, to see a space of many dimensions in a plane. */
import { checkMatrix, covarianceOf, type Matrix, symmetricEigen } from './matrix.ts';

export interface PrincipalComponents {
  /** Of the points, `[D]`. */
  readonly mean: Float64Array;
  /** Unit vectors `[D]`, the direction of most variance first; as many as were asked for, at most D. */
  readonly axes: readonly Float64Array[];
  /** Share of the variance along each axis, from 0 to 1; `NaN` when all points are equal. */
  readonly explained: Float64Array;
}

/**
 * The first `count` principal components of points `[n, D]` (eigenvectors of their covariance). An axis points to where
 * its largest entry is positive, so the same points always give the same picture. Takes about `n D^2 + D^3` operations.
 */
export function principalComponents(points: Matrix, count: number): PrincipalComponents {
  checkMatrix('points', points);
  if (!(Number.isInteger(count) && count >= 1 && count <= points.columns)) {
    throw new RangeError(
      `count is ${count}; points of ${points.columns} dimensions have 1 to ${points.columns} components`,
    );
  }
  const { mean, covariance } = covarianceOf(points);
  const { values, vectors } = symmetricEigen(covariance);
  const total = values.reduce((sum, value) => sum + value, 0);
  return { mean, axes: vectors.slice(0, count), explained: values.slice(0, count).map((value) => value / total) };
}

/** Points `[n, D]` in the coordinates of the components, `[n][count]`. */
export function projectPoints(
  points: Matrix,
  { mean, axes }: Pick<PrincipalComponents, 'mean' | 'axes'>,
): Float64Array[] {
  checkMatrix('points', points);
  const { rows, columns: width, values } = points;
  if (width !== mean.length)
    throw new RangeError(`points have ${width} dimensions; the components are of ${mean.length}`);
  return Array.from({ length: rows }, (_, row) =>
    Float64Array.from(axes, (axis) =>
      axis.reduce((sum, entry, d) => sum + entry * (values[row * width + d]! - mean[d]!), 0),
    ),
  );
}

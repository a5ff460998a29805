/**
 * The plane in which a space of many dimensions is looked at while it changes. Principal components that were found
 * anew each time would jump and flip; here each look starts from the plane of the last (orthogonal iteration: multiply
 * by the matrix of second moments, make orthogonal, again and again), so that the picture turns slowly towards them.
 */

/** Rows of the same width one after the other. */
export interface Rows {
  readonly values: Float32Array;
  readonly width: number;
}

/** Iterations of a first look, and of each that follows. */
const FIRST = 60;
const FOLLOWING = 2;

export class LatentPlane {
  #axes: Float64Array[] | null = null;

  /**
   * Tokens and what they are compared with, by their directions alone: every row is divided by its length, so all lie
   * in the unit disc, on its edge where the plane holds them whole.
   *
   * @returns `[n * 2]` each
   */
  project(tokens: Rows, keys: Rows): { readonly tokens: Float32Array; readonly keys: Float32Array } {
    const [directions, keyDirections] = [unitRows(tokens), unitRows(keys)];
    const { width } = tokens;
    const rounds = this.#axes === null ? FIRST : FOLLOWING;
    let axes = this.#axes ?? startingAxes(width);
    for (let round = 0; round < rounds; round++) {
      axes = orthonormal(axes.map((axis) => sumOf(momentTimes(directions, axis), momentTimes(keyDirections, axis))));
    }
    this.#axes = axes;
    return { tokens: coordinates(directions, axes), keys: coordinates(keyDirections, axes) };
  }
}

function unitRows({ values, width }: Rows): Rows {
  const unit = Float32Array.from(values);
  for (let start = 0; start < unit.length; start += width) {
    const row = unit.subarray(start, start + width);
    const length = Math.sqrt(row.reduce((sum, entry) => sum + entry * entry, 0));
    if (length > 0) row.forEach((entry, i) => (row[i] = entry / length));
  }
  return { values: unit, width };
}

/** Any two directions that no picture favours. */
function startingAxes(width: number): Float64Array[] {
  return orthonormal(
    [0, 1].map((axis) => Float64Array.from({ length: width }, (_, d) => Math.sin(1 + d + axis * d * d))),
  );
}

/** The mean of `row (row . axis)` over all rows. */
function momentTimes({ values, width }: Rows, axis: Float64Array): Float64Array {
  const sum = new Float64Array(width);
  const count = values.length / width;
  for (let start = 0; start < values.length; start += width) {
    let along = 0;
    for (let d = 0; d < width; d++) along += values[start + d]! * axis[d]!;
    for (let d = 0; d < width; d++) sum[d]! += (along * values[start + d]!) / count;
  }
  return sum;
}

function sumOf(a: Float64Array, b: Float64Array): Float64Array {
  return a.map((value, d) => value + b[d]!);
}

/** Gram-Schmidt; an axis of which nothing is left becomes one of the basis. */
function orthonormal(axes: readonly Float64Array[]): Float64Array[] {
  const made: Float64Array[] = [];
  for (const [index, axis] of axes.entries()) {
    let rest = without(axis, made);
    if (lengthOf(rest) < 1e-9) rest = without(basis(axis.length, index), made);
    const length = lengthOf(rest);
    made.push(length > 0 ? rest.map((entry) => entry / length) : rest);
  }
  return made;
}

function without(axis: Float64Array, others: readonly Float64Array[]): Float64Array {
  const rest = Float64Array.from(axis);
  for (const other of others) {
    const along = rest.reduce((sum, entry, d) => sum + entry * other[d]!, 0);
    rest.forEach((entry, d) => (rest[d] = entry - along * other[d]!));
  }
  return rest;
}

const lengthOf = (axis: Float64Array): number => Math.sqrt(axis.reduce((sum, entry) => sum + entry * entry, 0));
const basis = (width: number, index: number): Float64Array =>
  Float64Array.from({ length: width }, (_, d) => (d === index % width ? 1 : 0));

function coordinates({ values, width }: Rows, axes: readonly Float64Array[]): Float32Array {
  const places = new Float32Array((values.length / width) * axes.length);
  for (let row = 0; row * width < values.length; row++) {
    for (const [i, axis] of axes.entries()) {
      let along = 0;
      for (let d = 0; d < width; d++) along += values[row * width + d]! * axis[d]!;
      places[row * axes.length + i] = along;
    }
  }
  return places;
}

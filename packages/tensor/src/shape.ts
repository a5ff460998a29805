/** Shapes: sizes, strides and the broadcasting rule, shared by every op. All tensors are contiguous and row-major. */

/** Extent of each axis, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];

/** Number of elements of a tensor of this shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const extent of shape) size *= extent;
  return size;
}

/** Row-major strides, in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = Array.from<number>({ length: shape.length });
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** `[2, 3]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** What an index that chooses among `count` `things` must be, for messages. */
export function formatBounds(count: number, things: string): string {
  return `there are ${count} ${things}${count > 0 ? `, so it must lie between 0 and ${count - 1}` : ''}`;
}

/** Throws unless every extent is a whole number of at least 0. */
export function checkShape(op: string, shape: Shape): void {
  if (!shape.every((extent) => Number.isInteger(extent) && extent >= 0)) {
    throw new RangeError(`${op}: a shape has whole, non-negative extents, got ${formatShape(shape)}`);
  }
}

/** The axis counted from the front: -1 is the last. Throws when there is no such axis. */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const normalized = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || normalized < 0 || normalized >= rank) {
    throw new RangeError(`${op}: axis ${axis} does not exist in a tensor of rank ${rank}`);
  }
  return normalized;
}

/** The shape that `a` and `b` broadcast to, as NumPy does: aligned at the last axis, an extent of 1 stretches. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const out = Array.from<number>({ length: rank });
  for (let i = 1; i <= rank; i++) {
    const x = a[a.length - i] ?? 1;
    const y = b[b.length - i] ?? 1;
    if (x !== y && x !== 1 && y !== 1) {
      throw new RangeError(
        `${op}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast: aligned at the last axis, extents must be equal or 1`,
      );
    }
    out[rank - i] = x === 1 ? y : x;
  }
  return out;
}

/** Strides of `shape` when it is stretched to `target`: 0 along every stretched or missing axis. */
export function broadcastStrides(shape: Shape, target: Shape): number[] {
  const own = stridesOf(shape);
  const missing = target.length - shape.length;
  return target.map((_, axis) => (axis < missing || shape[axis - missing] === 1 ? 0 : own[axis - missing]!));
}

/** Drops axes of extent 1 and joins neighbours that every operand steps through as one. Gives at least one axis. */
export function mergeAxes(
  shape: Shape,
  strides: readonly (readonly number[])[],
): { shape: number[]; strides: number[][] } {
  const merged: number[] = [];
  const steps: number[][] = strides.map(() => []);
  for (let axis = 0; axis < shape.length; axis++) {
    const extent = shape[axis]!;
    if (extent === 1) continue;
    const last = merged.length - 1;
    let joins = last >= 0;
    for (let i = 0; joins && i < strides.length; i++) joins = steps[i]![last]! === strides[i]![axis]! * extent;
    const place = joins ? last : last + 1;
    merged[place] = joins ? merged[last]! * extent : extent;
    for (let i = 0; i < strides.length; i++) steps[i]![place] = strides[i]![axis]!;
  }
  if (merged.length === 0) return { shape: [1], strides: strides.map(() => [1]) };
  return { shape: merged, strides: steps };
}

/**
 * Specialisation: whether the choice of an expert says anything about the token. Balance without it is free (see
 * `isotropicNull`), so the two are read together.
 */
import { checkCounts, type Counts } from './counts.ts';

/**
 * Mutual information `I(X; Y) = sum p(x, y) ln (p(x, y) / (p(x) p(y)))` in nats, from joint counts.
 *
 * For I(expert; token), `joint[expert][tokenId]` is how often that expert got that token id. The value is the plug-in
 * estimate, which finite samples inflate: see `mutualInformationBias`. `NaN` when nothing was counted.
 *
 * @param joint `[X][Y]` counts; rows of equal length.
 */
export function mutualInformation(joint: readonly Counts[]): number {
  const { rowSums, columnSums, total } = marginals(joint);
  if (total === 0) return Number.NaN;
  let nats = 0;
  for (const [x, row] of joint.entries()) {
    for (let y = 0; y < row.length; y++) {
      const count = row[y]!;
      if (count > 0) nats += (count / total) * Math.log((count / rowSums[x]!) * (total / columnSums[y]!));
    }
  }
  return Math.max(0, nats);
}

/**
 * Expected excess of `mutualInformation` over the true value, to first order: `(K_xy - K_x - K_y + 1) / (2 N)` with K
 * the numbers of non-empty cells, rows and columns and N the number of samples (Miller 1955). A measure of
 * specialisation that is not well above it shows nothing. `NaN` when nothing was counted.
 *
 * @param joint as for `mutualInformation`. Counts must be of independent samples: with top-k, N counts token-expert
 *   pairs.
 */
export function mutualInformationBias(joint: readonly Counts[]): number {
  const { rowSums, columnSums, total } = marginals(joint);
  if (total === 0) return Number.NaN;
  let cells = 0;
  for (const row of joint) cells += filled(row);
  return (cells - filled(rowSums) - filled(columnSums) + 1) / (2 * total);
}

function marginals(joint: readonly Counts[]): { rowSums: Float64Array; columnSums: Float64Array; total: number } {
  const columns = joint[0]?.length ?? 0;
  const rowSums = new Float64Array(joint.length);
  const columnSums = new Float64Array(columns);
  let total = 0;
  if (joint.length === 0) throw new RangeError('joint is empty; it needs one row of counts per expert');
  for (const [x, row] of joint.entries()) {
    checkCounts(row, `joint[${x}]`);
    if (row.length !== columns) {
      throw new RangeError(
        `joint[${x}] has ${row.length} entries, but joint[0] has ${columns}; rows must be equally long`,
      );
    }
    for (let y = 0; y < columns; y++) {
      const count = row[y]!;
      rowSums[x]! += count;
      columnSums[y]! += count;
      total += count;
    }
  }
  return { rowSums, columnSums, total };
}

function filled(counts: Counts): number {
  let cells = 0;
  for (let i = 0; i < counts.length; i++) if (counts[i]! > 0) cells++;
  return cells;
}

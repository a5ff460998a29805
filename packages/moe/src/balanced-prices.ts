/**
 * Prices and assignments that balance the load: the linear programme behind quantile balancing and BASE, by a fixed
 * number of rounds on the device.
 */
import {
  add,
  affine,
  cast,
  embedding,
  greater,
  mean,
  minimum,
  multiply,
  ones,
  reshape,
  scatterAlongRows,
  segmentPlan,
  slice,
  subtract,
  sum,
  type Tensor,
  tensor,
  topK,
  transpose,
  zeros,
} from '@lpr/tensor';
import { FAR } from './selection.ts';

/**
 * Prices b `[M]` such that taking the k largest of `s - b` loads experts evenly: coordinate descent on the dual of `max
 * sum x s` with k experts a token and `N k / M` tokens an expert. In turn, what a token pays, `a_t`, becomes the
 * (k+1)-th largest of `s_t - b`, and a price `b_j` the (floor(N k / M) + 1)-th largest over tokens of `s_j - a`; then
 * the prices' mean is taken off. scores s `[N, M]`, start `[M]`.
 */
export function balancedPrices(scores: Tensor, k: number, start: Tensor, rounds: number): Tensor {
  const [tokens = 0, experts = 0] = scores.shape;
  if (k === experts || tokens === 0) return affine(start, 1);
  const places = Math.floor((tokens * k) / experts);
  let prices = start;
  for (let round = 0; round < rounds; round++) {
    const paid = lastOfLargest(subtract(scores, prices), k + 1);
    prices = reshape(lastOfLargest(transpose(subtract(scores, paid)), places + 1), [experts]);
    prices = subtract(prices, mean(prices));
  }
  return prices;
}

/** The n-th largest of each row, `[rows, 1]`. */
function lastOfLargest(x: Tensor, n: number): Tensor {
  return slice(topK(x, n).values, 1, n - 1, n);
}

/**
 * Assigns each of N tokens to one of M experts so that every expert gets N / M (the first N mod M one more), with a
 * high total score; i32 `[N, 1]`. Experts are priced by `balancedPrices`; then, in each of some rounds, every token
 * still free applies to the expert that is best for it after the price among those with room, which take the best of
 * their applicants; the few tokens left go to the places left, in order. The balance is exact, the total nearly the
 * largest possible.
 */
export function balancedAssignment(
  scores: Tensor,
  { priceRounds, bidRounds }: { readonly priceRounds: number; readonly bidRounds: number },
): Tensor {
  const { device } = scores;
  const [tokens = 0, experts = 0] = scores.shape;
  const places = Math.ceil(tokens / experts);
  const quotas = tensor(
    device,
    Float32Array.from({ length: experts }, (_, e) => Math.floor(tokens / experts) + (e < tokens % experts ? 1 : 0)),
  );
  const seats = tensor(
    device,
    Float32Array.from({ length: places }, (_, place) => place),
  );
  const values = subtract(scores, balancedPrices(scores, 1, zeros(device, [experts]), priceRounds));
  let taken = zeros(device, [tokens, experts]);
  for (let round = 0; round < bidRounds; round++) {
    const room = subtract(quotas, sum(taken, 0));
    const free = affine(sum(taken, 1, { keepAxis: true }), -1, 1);
    const wish = topK(minimum(values, affine(greater(room, 0), 2 * FAR, -FAR)), 1).indices;
    const applies = multiply(scatterAlongRows(ones(device, [tokens, 1]), wish, experts), free);
    const best = topK(transpose(minimum(values, affine(applies, 2 * FAR, -FAR))), places);
    const accepted = multiply(greater(best.values, -FAR / 2), greater(reshape(room, [experts, 1]), seats));
    taken = add(taken, transpose(scatterAlongRows(accepted, best.indices, tokens)));
  }
  const numbers = tensor(
    device,
    Float32Array.from({ length: experts }, (_, e) => e),
  );
  const own = sum(multiply(taken, numbers), 1, { keepAxis: true });
  const settled = sum(taken, 1, { keepAxis: true });
  // The r-th free token gets the r-th free seat; seats are numbered expert by expert.
  const turn = segmentPlan(cast(settled, 'i32'), 2).inverse;
  const filled = reshape(sum(taken, 0), [experts, 1]);
  const occupied = affine(
    multiply(greater(affine(seats, 1, 0.5), filled), greater(reshape(quotas, [experts, 1]), seats)),
    -1,
    1,
  );
  const freeSeats = segmentPlan(cast(reshape(occupied, [experts * places]), 'i32'), 2).order;
  const seat = embedding(reshape(cast(freeSeats, 'f32'), [experts * places, 1]), turn);
  // Whole numbers plus a half, so that rounding cannot reach the next expert.
  const left = cast(cast(affine(seat, 1 / places, 0.5 / places), 'i32'), 'f32');
  return cast(add(multiply(own, settled), multiply(left, affine(settled, -1, 1))), 'i32');
}

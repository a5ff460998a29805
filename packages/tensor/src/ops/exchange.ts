/**
 * Rows that ranks exchange, and the parts that came from each. How messages travel is the caller's: everything here
 * knows is that all ranks take part in the same exchanges, in one order, forwards and backwards.
 */
import { record } from '../autograd.ts';
import { hostNumbers, receiveInto } from '../host-numbers.ts';
import { type Pausing, pauseFor } from '../pausing.ts';
import { formatShape } from '../shape.ts';
import { Tensor } from '../tensor.ts';
import { copyStrided } from './broadcast.ts';
import { matrixOf } from './rows.ts';

/**
 * Sends numbers to all ranks and receives those of all: `sent[r]` numbers of `send` go to rank r, one rank's after the
 * other's, and `received[r]` come from it, which fill `into` in the order of the ranks.
 */
export type AllToAll = (
  send: Float32Array,
  sent: readonly number[],
  into: Float32Array,
  received: readonly number[],
) => Promise<void>;

/** An exchange as one rank sees it. */
export interface RowExchange {
  /** Rows that go to each rank, which follow each other. */
  readonly sent: readonly number[];
  /** Rows that come from each rank. */
  readonly received: readonly number[];
  readonly allToAll: AllToAll;
}

/**
 * The rows that come from all ranks, in their order, for those of x `[rows, width]` that go to them; rows of x beyond
 * those go nowhere. Gives `[height, width]`, of which rows beyond those that come are 0. The gradients of the rows that
 * came go back to where they came from, in an exchange of their own.
 *
 * @param height rows of the result, as many as come unless given
 */
export function* exchangeRows(
  x: Tensor,
  exchange: RowExchange,
  height: number = total(exchange.received),
): Pausing<Tensor> {
  const { rows } = matrixOf('exchangeRows', 'x', x);
  const { sent, received, allToAll } = exchange;
  if (total(sent) > rows || total(received) > height) {
    throw new RangeError(
      `exchangeRows: x ${formatShape(x.shape)} cannot give ${total(sent)} rows, or ${height} rows hold ${total(received)}`,
    );
  }
  const out = yield* transfer(x, exchange, height);
  return record('exchangeRows', out, [x], [], function* (gradient) {
    return [yield* transfer(gradient, { sent: received, received: sent, allToAll }, rows)];
  });
}

function* transfer(x: Tensor, { sent, received, allToAll }: RowExchange, height: number): Pausing<Tensor> {
  const width = x.shape[1]!;
  const send = yield* pauseFor(hostNumbers(x));
  const out = new Tensor(x.device, [height, width]);
  const numbers = (rows: readonly number[]): number[] => rows.map((count) => count * width);
  const [from, into] = [width * total(sent), width * total(received)];
  yield receiveInto(out, async (all) => {
    all.fill(0, into);
    await allToAll(send.subarray(0, from), numbers(sent), all.subarray(0, into), numbers(received));
  });
  return out;
}

/**
 * The rows of x `[rows, width]` in parts of so many rows, in their order. All parts must enter the loss: their
 * gradients are put into that of x as they come, and the last to come hands it on.
 */
export function rowParts(x: Tensor, counts: readonly number[]): Tensor[] {
  const { rows, columns } = matrixOf('rowParts', 'x', x);
  if (total(counts) !== rows) {
    throw new RangeError(`rowParts: parts of ${counts.join(', ')} rows do not make up ${formatShape(x.shape)}`);
  }
  const copy = (from: Tensor, fromRow: number, to: Tensor, toRow: number, count: number): void =>
    copyStrided(from, fromRow * columns, [columns, 1], to, toRow * columns, [columns, 1], [count, columns]);
  let gradX: Tensor | null = null;
  let missing = counts.length;
  let start = 0;
  return counts.map((count) => {
    const at = start;
    start += count;
    const part = new Tensor(x.device, [count, columns]);
    copy(x, at, part, 0, count);
    return record('rowParts', part, [x], [], (gradient) => {
      gradX ??= new Tensor(x.device, x.shape, 'f32', { persistent: true });
      copy(gradient, 0, gradX, at, count);
      missing--;
      return [missing === 0 ? gradX : null];
    });
  });
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

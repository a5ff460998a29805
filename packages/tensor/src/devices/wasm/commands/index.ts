/** All commands of the queue by family. A command's number is `family * 256 + command`, in the order of the lists. */
import { attention } from './attention.ts';
import { crossEntropy } from './cross-entropy.ts';
import { elementwise } from './elementwise.ts';
import { gather } from './gather.ts';
import { groupedMatmul } from './grouped-matmul.ts';
import { matmul } from './matmul.ts';
import { movement } from './movement.ts';
import { norm } from './norm.ts';
import { optimizer, optimizerRecords } from './optimizer.ts';
import { random } from './random.ts';
import { reduce, reduceRecords } from './reduce.ts';
import { rope } from './rope.ts';
import { segments } from './segments.ts';
import { softmax } from './softmax.ts';
import { swiglu } from './swiglu.ts';
import { topk } from './topk.ts';

interface Families {
  readonly elementwise: typeof elementwise;
  readonly movement: typeof movement;
  readonly reduce: typeof reduce;
  readonly matmul: typeof matmul;
  readonly groupedMatmul: typeof groupedMatmul;
  readonly norm: typeof norm;
  readonly softmax: typeof softmax;
  readonly swiglu: typeof swiglu;
  readonly rope: typeof rope;
  readonly attention: typeof attention;
  readonly crossEntropy: typeof crossEntropy;
  readonly topk: typeof topk;
  readonly gather: typeof gather;
  readonly segments: typeof segments;
  readonly random: typeof random;
  readonly optimizer: typeof optimizer;
}

/** At most 16, of up to 256 commands each (OPCODES of layout.ts). */
export const FAMILIES: Families = {
  elementwise,
  movement,
  reduce,
  matmul,
  groupedMatmul,
  norm,
  softmax,
  swiglu,
  rope,
  attention,
  crossEntropy,
  topk,
  gather,
  segments,
  random,
  optimizer,
};

type Intersection<Union> = (Union extends unknown ? (member: Union) => void : never) extends (all: infer All) => void
  ? All
  : never;

/** Words by the name of the command. */
export type Commands = Intersection<Families[keyof Families]>;
export type CommandName = keyof Commands;

/** Rows of tables, by name. */
export type Records = typeof optimizerRecords & typeof reduceRecords;
export type RecordName = keyof Records;
export const RECORDS: Records = {
  ADAM_W_SEGMENT: optimizerRecords.ADAM_W_SEGMENT,
  SUM_OF_SQUARES_SEGMENT: reduceRecords.SUM_OF_SQUARES_SEGMENT,
};

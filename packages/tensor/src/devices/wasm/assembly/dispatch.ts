/** Finds the kernel of a command. A kernel computes one tile at a time, whole and in a fixed order. */
import {
  ATTENTION_FAMILY,
  CROSS_ENTROPY_FAMILY,
  ELEMENTWISE_FAMILY,
  GATHER_FAMILY,
  GROUPED_MATMUL_FAMILY,
  MATMUL_FAMILY,
  MOVEMENT_FAMILY,
  NORM_FAMILY,
  OPTIMIZER_FAMILY,
  RANDOM_FAMILY,
  REDUCE_FAMILY,
  ROPE_FAMILY,
  SEGMENTS_FAMILY,
  SOFTMAX_FAMILY,
  SWIGLU_FAMILY,
  TOPK_FAMILY,
} from '../generated/commands';
import * as attention from './attention';
import * as crossEntropy from './cross-entropy';
import * as elementwise from './elementwise';
import * as gather from './gather';
import * as groupedMatmul from './grouped-matmul';
import * as matmul from './matmul';
import * as movement from './movement';
import * as norm from './norm';
import * as optimizer from './optimizer';
import * as random from './random';
import * as reduce from './reduce';
import * as rope from './rope';
import * as segments from './segments';
import * as softmax from './softmax';
import * as swiglu from './swiglu';
import * as topk from './topk';

export function runTile(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  switch (opcode >> 8) {
    case ELEMENTWISE_FAMILY:
      elementwise.run(opcode, args, tile, scratch);
      break;
    case MOVEMENT_FAMILY:
      movement.run(opcode, args, tile, scratch);
      break;
    case REDUCE_FAMILY:
      reduce.run(opcode, args, tile, scratch);
      break;
    case MATMUL_FAMILY:
      matmul.run(opcode, args, tile, scratch);
      break;
    case GROUPED_MATMUL_FAMILY:
      groupedMatmul.run(opcode, args, tile, scratch);
      break;
    case NORM_FAMILY:
      norm.run(opcode, args, tile, scratch);
      break;
    case SOFTMAX_FAMILY:
      softmax.run(opcode, args, tile, scratch);
      break;
    case SWIGLU_FAMILY:
      swiglu.run(opcode, args, tile, scratch);
      break;
    case ROPE_FAMILY:
      rope.run(opcode, args, tile, scratch);
      break;
    case ATTENTION_FAMILY:
      attention.run(opcode, args, tile, scratch);
      break;
    case CROSS_ENTROPY_FAMILY:
      crossEntropy.run(opcode, args, tile, scratch);
      break;
    case TOPK_FAMILY:
      topk.run(opcode, args, tile, scratch);
      break;
    case GATHER_FAMILY:
      gather.run(opcode, args, tile, scratch);
      break;
    case SEGMENTS_FAMILY:
      segments.run(opcode, args, tile, scratch);
      break;
    case RANDOM_FAMILY:
      random.run(opcode, args, tile, scratch);
      break;
    case OPTIMIZER_FAMILY:
      optimizer.run(opcode, args, tile, scratch);
      break;
    default:
      unreachable();
  }
}

/** Kernels that select, gather and sum rows: the moving parts of routing and dispatch. */
import {
  GATHER_DOT,
  GATHER_ROWS,
  GATHER_SUM,
  SCATTER_ALONG_ROWS,
  SEGMENT_PLAN,
  SEGMENT_SUM,
  TAKE_ALONG_ROWS,
  TOP_K,
} from '../src/devices/wasm/opcodes';
import { gatherDot, gatherRows, gatherSum, scatterAlongRows, takeAlongRows } from './gather';
import { segmentPlan, segmentSum } from './segments';
import { topK } from './topk';

/** Runs tile `tile` of kernel `kernel` of this family. */
export function run(kernel: i32, args: usize, tile: i32, scratch: usize): void {
  switch (kernel) {
    case TOP_K & 255:
      topK(args, tile, scratch);
      break;
    case TAKE_ALONG_ROWS & 255:
      takeAlongRows(args, tile);
      break;
    case SCATTER_ALONG_ROWS & 255:
      scatterAlongRows(args, tile);
      break;
    case GATHER_ROWS & 255:
      gatherRows(args, tile);
      break;
    case GATHER_SUM & 255:
      gatherSum(args, tile);
      break;
    case GATHER_DOT & 255:
      gatherDot(args, tile);
      break;
    case SEGMENT_PLAN & 255:
      segmentPlan(args);
      break;
    case SEGMENT_SUM & 255:
      segmentSum(args, tile);
      break;
    default:
      unreachable();
  }
}

/** Finds the kernel of a command. A kernel computes one tile at a time, whole and in a fixed order. */
import * as attention from './attention';
import * as elementwise from './elementwise';
import * as grouped from './grouped';
import * as layers from './layers';
import * as loss from './loss';
import * as matmul from './matmul';
import * as optimizer from './optimizer';
import * as random from './random';
import * as reduce from './reduce';
import * as rows from './rows';
import { copyTile } from './runtime';
import {
  ATTENTION,
  COPY,
  ELEMENTWISE,
  GROUPED,
  LAYERS,
  LOSS,
  MATMUL,
  OPTIMIZER,
  RANDOM,
  REDUCE,
  ROWS,
  RUNTIME,
} from '../src/devices/wasm/opcodes';

export function runTile(opcode: i32, args: usize, tile: i32, scratch: usize): void {
  const kernel = opcode & 255;
  switch (opcode >> 8) {
    case RUNTIME:
      if (opcode != COPY) unreachable();
      copyTile(args, tile);
      break;
    case ELEMENTWISE:
      elementwise.run(kernel, args, tile, scratch);
      break;
    case REDUCE:
      reduce.run(kernel, args, tile, scratch);
      break;
    case MATMUL:
      matmul.run(kernel, args, tile, scratch);
      break;
    case GROUPED:
      grouped.run(kernel, args, tile, scratch);
      break;
    case ATTENTION:
      attention.run(kernel, args, tile, scratch);
      break;
    case LAYERS:
      layers.run(kernel, args, tile, scratch);
      break;
    case LOSS:
      loss.run(kernel, args, tile, scratch);
      break;
    case ROWS:
      rows.run(kernel, args, tile, scratch);
      break;
    case RANDOM:
      random.run(kernel, args, tile, scratch);
      break;
    case OPTIMIZER:
      optimizer.run(kernel, args, tile, scratch);
      break;
    default:
      unreachable();
  }
}

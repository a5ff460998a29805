/**
 * The smallest of PNG writers, for pictures of loads in TensorBoard: 8-bit RGB, no interlacing, no filter (W3C,
 * Portable Network Graphics, third edition).
 */
import { crc32, deflateSync } from 'node:zlib';

export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** `[height, width, 3]`: red, green, blue. */
  readonly rgb: Uint8Array;
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

export function encodePng({ width, height, rgb }: Pixels): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // Bits a channel, and truecolour.
  header.set([8, 2], 8);
  // Each row begins with its filter: 0, none.
  const rows = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++) rows.set(rgb.subarray(3 * y * width, 3 * (y + 1) * width), y * (1 + 3 * width) + 1);
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

function chunk(name: string, content: Uint8Array): Uint8Array {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const encoded = Buffer.alloc(named.length + 8);
  encoded.writeUInt32BE(content.length, 0);
  encoded.set(named, 4);
  encoded.writeUInt32BE(crc32(named), 4 + named.length);
  return encoded;
}

/** Width and height of an expert's cell, in pixels. */
const CELL_WIDTH = 8;
const CELL_HEIGHT = 16;
/** From an idle expert over a fair share to twice that and more: white, blue, black. */
const IDLE = [247, 247, 247] as const;
const FAIR = [66, 146, 198] as const;
const DOUBLE = [8, 20, 60] as const;

/**
 * Loads `[layers][experts]` as a picture: a row a layer, a cell an expert, shaded by its load over the layer's fair
 * share.
 */
export function loadPicture(counts: readonly ArrayLike<number>[]): Pixels {
  const width = CELL_WIDTH * (counts[0]?.length ?? 0);
  const height = CELL_HEIGHT * counts.length;
  const rgb = new Uint8Array(3 * width * height);
  for (const [layer, loads] of counts.entries()) {
    const fair = Array.from(loads).reduce((a, b) => a + b, 0) / loads.length;
    for (let expert = 0; expert < loads.length; expert++) {
      const colour = shade(fair === 0 ? 0 : loads[expert]! / fair);
      for (let y = layer * CELL_HEIGHT; y < (layer + 1) * CELL_HEIGHT; y++) {
        for (let x = expert * CELL_WIDTH; x < (expert + 1) * CELL_WIDTH; x++) rgb.set(colour, 3 * (y * width + x));
      }
    }
  }
  return { width, height, rgb };
}

function shade(load: number): number[] {
  const [from, to, share] = load < 1 ? [IDLE, FAIR, load] : [FAIR, DOUBLE, Math.min(1, load - 1)];
  return from.map((channel, i) => Math.round(channel + share * (to[i]! - channel)));
}

/**
 * The container of TensorBoard's event files: TFRecord framing. A record is the length of its data (u64), a checksum of
 * that, the data and a checksum of them, little-endian; a checksum is CRC-32C (Castagnoli), rotated and shifted
 * ("masked").
 */

const HEADER_BYTES = 12;
const FOOTER_BYTES = 4;

/** A record around some data. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(HEADER_BYTES + data.length + FOOTER_BYTES);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedChecksum(record.subarray(0, 8)), true);
  record.set(data, HEADER_BYTES);
  view.setUint32(HEADER_BYTES + data.length, maskedChecksum(data), true);
  return record;
}

/** The data of each record, up to the first that is cut short or damaged, and where it ends in the file. */
export function* readRecords(file: Uint8Array): Generator<{ readonly data: Uint8Array; readonly end: number }> {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  for (let at = 0; at + HEADER_BYTES <= file.length; ) {
    if (view.getUint32(at + 8, true) !== maskedChecksum(file.subarray(at, at + 8))) return;
    const start = at + HEADER_BYTES;
    const end = start + Number(view.getBigUint64(at, true));
    if (end + FOOTER_BYTES > file.length) return;
    const data = file.subarray(start, end);
    if (view.getUint32(end, true) !== maskedChecksum(data)) return;
    at = end + FOOTER_BYTES;
    yield { data, end: at };
  }
}

function maskedChecksum(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** The checksum of each byte value: the reflected polynomial 0x1EDC6F41. */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C of RFC 3720, section B.4. */
export function crc32c(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (crc >>> 8) ^ TABLE[(crc ^ byte) & 0xff]!;
  return ~crc >>> 0;
}

/**
 * Reads one parquet file in a thread of its own, since a damaged file may keep its reader busy for ever:
 * parquet-reader.ts ends the thread then. The bytes come from there.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const { byteLength, column } = workerData;
/** Slices that were asked for, by number. */
const waiting = new Map();
let asked = 0;
const file = {
  byteLength,
  slice: (start, end = byteLength) =>
    new Promise((resolve) => {
      waiting.set(++asked, resolve);
      parentPort.postMessage({ slice: { number: asked, start, end } });
    }),
};

let metadata;

async function answer(request) {
  if (request === 'open') {
    metadata = await parquetMetadataAsync(file);
    return {
      columns: parquetSchema(metadata).children.map(({ element }) => element.name),
      groups: metadata.row_groups.map((group) => Number(group.num_rows)),
    };
  }
  const rows = await parquetReadObjects({ file, metadata, columns: [column], compressors, ...request });
  return rows.map((row) => row[column]);
}

parentPort.on('message', async ({ request, number, bytes }) => {
  if (request === undefined) {
    waiting.get(number)(bytes);
    waiting.delete(number);
    return;
  }
  try {
    parentPort.postMessage({ result: await answer(request) });
  } catch (cause) {
    parentPort.postMessage({ error: cause instanceof Error ? cause.message : String(cause) });
  }
});

/**
 * Calibration: a model's routers are evened out on a text, with all weights as they are. Only selection biases move;
 * each layer's by Newton's method, all layers at once. What a layer reads changes a little while those below it still
 * move, which the next round makes good.
 */
import type { Batch } from '@lpr/data';
import type { Decoder } from '@lpr/model';
import { BiasCalibration, isCalibrated } from '@lpr/moe';
import { awaited, pausingScope } from '@lpr/tensor';
import { joined, uploadBatch } from './micro-batches.ts';

export interface CalibrateOptions {
  /** Times that the text is read. */
  readonly rounds: number;
  /** Told how many tokens are done, over all rounds. */
  readonly onProgress?: (tokens: number) => void;
}

/**
 * Evens out the loads of all routers that have a selection bias, over the text of some batches. The same bits for any
 * number of threads.
 *
 * @param batches the same at every call
 * @returns for every round the loads `[layers][experts]` that it began with, of the layers that are calibrated
 * @throws RangeError when no router has a selection bias, or there is no batch
 */
export async function calibrate(
  decoder: Decoder,
  batches: () => Iterable<Batch>,
  { rounds, onProgress }: CalibrateOptions,
): Promise<readonly (readonly Float64Array[])[]> {
  const calibrated = [...decoder.routers.entries()].filter(([, router]) => isCalibrated(router));
  if (calibrated.length === 0) {
    throw new RangeError(
      'calibrate: no router of this model has a selection bias to set. LPR has one where selectionBiasRate is above 0; deepseek-v3 and quantile-balancing always have one',
    );
  }
  const calibrations = calibrated.map(([layer, router]) => ({
    layer,
    router,
    calibration: new BiasCalibration(router),
  }));
  const record = async (batch: Batch) => {
    const computation = pausingScope(
      decoder.device,
      function* () {
        const routings = yield* decoder.routingsPausing(uploadBatch(decoder, batch).inputIds);
        return {
          surveys: joined(calibrations.map(({ layer, calibration }) => calibration.survey(routings[layer]!))).data(),
        };
      },
      { gradients: false },
    );
    const { surveys } = await awaited(computation);
    // Its failure is reported when it is awaited.
    surveys.catch(() => {});
    return { tokens: batch.inputIds.length, surveys };
  };
  let done = 0;
  const collect = async ({ tokens, surveys }: Awaited<ReturnType<typeof record>>): Promise<void> => {
    const all = (await surveys) as Float32Array;
    let at = 0;
    for (const { router, calibration } of calibrations)
      calibration.add(all.subarray(at, (at += 2 * router.experts + 1)));
    done += tokens;
    onProgress?.(done);
  };
  const results: (readonly Float64Array[])[] = [];
  for (let round = 0; round < rounds; round++) {
    // As in evaluation, the next batch is recorded before the survey of one is awaited.
    let pending: Awaited<ReturnType<typeof record>> | null = null;
    for (const batch of batches()) {
      const next = await record(batch);
      if (pending !== null) await collect(pending);
      pending = next;
    }
    if (pending === null) throw new RangeError('calibrate: got no batches; give at least one');
    await collect(pending);
    const loads: Float64Array[] = [];
    for (const { calibration } of calibrations) loads.push(await calibration.step());
    results.push(loads);
  }
  return results;
}

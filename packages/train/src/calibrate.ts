/**
 * Calibration: a model's routers are evened out on a text, with all weights as they are. Only selection biases move;
 * each layer's by Newton's method, all layers at once, a little after every batch, so that what a layer reads settles
 * as those below it do.
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
  /** When it fires, its reason is thrown, and biases are left where they had come to. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Evens out the loads of all routers that have a selection bias, over the text of some batches. The same bits for any
 * number of threads.
 *
 * @param text in any order: batches are read in one in which every stretch has some of the whole text
 * @throws RangeError when no router has a selection bias, or there is no batch
 */
export async function calibrate(
  decoder: Decoder,
  text: Iterable<Batch>,
  { rounds, onProgress, signal }: CalibrateOptions,
): Promise<void> {
  const calibrated = [...decoder.routers.entries()].filter(([, router]) => isCalibrated(router));
  if (calibrated.length === 0) {
    throw new RangeError(
      'calibrate: no router of this model has a selection bias to set. LPR has one where selectionBiasRate is above 0; deepseek-v3 and quantile-balancing always have one',
    );
  }
  const batches = scattered([...text]);
  if (batches.length === 0) throw new RangeError('calibrate: got no batches; give at least one');
  const calibrations = calibrated.map(([layer, router]) => ({
    layer,
    experts: router.experts,
    calibration: new BiasCalibration(router),
  }));
  const survey = async (batch: Batch): Promise<Float32Array> => {
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
    return (await surveys) as Float32Array;
  };
  let done = 0;
  for (let round = 0; round < rounds; round++) {
    for (const batch of batches) {
      signal?.throwIfAborted();
      const surveys = await survey(batch);
      let at = 0;
      for (const { experts, calibration } of calibrations) {
        await calibration.follow(surveys.subarray(at, (at += 2 * experts + 1)));
      }
      done += batch.inputIds.length;
      onProgress?.(done);
    }
  }
  for (const { calibration } of calibrations) calibration.finish();
}

/** Points on a circle, each this part of a turn on from the one before, are spread evenly however many there are. */
const GOLDEN_TURN = (Math.sqrt(5) - 1) / 2;

/** The same items in an order in which any few in a row are from all over: as such points lie on the circle. */
function scattered<Item>(items: readonly Item[]): Item[] {
  const turn = (place: number): number => (place * GOLDEN_TURN) % 1;
  return [...items.entries()].toSorted(([a], [b]) => turn(a) - turn(b)).map(([, item]) => item);
}

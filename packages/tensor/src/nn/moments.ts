/** How AdamW keeps its two moments of each parameter: as float32, or as bfloat16 in half the memory. */
import { assign, state } from '../creation.ts';
import type { Device } from '../devices/device.ts';
import { adamWPackedStep, type AdamWSettings, adamWStep } from '../ops/optimizer.ts';
import { packMoments, unpackMoments } from '../packed-moments.ts';
import type { Tensor } from '../tensor.ts';

/** How moments can be kept. */
export const MOMENT_TYPES = ['float32', 'bfloat16'] as const;
/** One of them. */
export type MomentType = (typeof MOMENT_TYPES)[number];

/** Bytes that both moments of a number take. */
export const MOMENT_BYTES: Readonly<Record<MomentType, number>> = { float32: 8, bfloat16: 4 };

/** As they end the names of moments in checkpoints. */
export const MOMENTS = ['firstMoment', 'secondMoment'] as const;
/** One of these ends. */
export type MomentName = (typeof MOMENTS)[number];

/** A parameter that takes a step. */
export interface Mover {
  readonly name: string;
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly weightDecay: number;
}

/** The moments of some parameters by the names of those, 0 at first. */
export interface Moments {
  step(movers: readonly Mover[], settings: AdamWSettings): void;
  /** Its numbers, as they are now. */
  read(parameter: string, moment: MomentName): Promise<Float32Array>;
  write(parameter: string, first: Float32Array, second: Float32Array): void;
  dispose(): void;
}

/** @param starts the number of each parameter's first element among those of all; of bfloat16 alone */
export function createMoments(
  type: MomentType,
  device: Device,
  parameters: ReadonlyMap<string, Tensor>,
  starts: ReadonlyMap<string, number>,
): Moments {
  return type === 'float32' ? float32Moments(device, parameters) : bfloat16Moments(device, parameters, starts);
}

function float32Moments(device: Device, parameters: ReadonlyMap<string, Tensor>): Moments {
  const all = new Map(
    Array.from(parameters, ([name, { shape }]) => [
      name,
      { firstMoment: state(device, shape), secondMoment: state(device, shape) },
    ]),
  );
  return {
    step: (movers, settings) =>
      adamWStep(
        device,
        movers.map((mover) => ({ ...mover, ...all.get(mover.name)! })),
        settings,
      ),
    read: (parameter, moment) => all.get(parameter)![moment].dataF32(),
    write(parameter, first, second) {
      const { firstMoment, secondMoment } = all.get(parameter)!;
      assign(firstMoment, first);
      assign(secondMoment, second);
    },
    dispose() {
      for (const moments of all.values()) for (const moment of MOMENTS) moments[moment].dispose();
    },
  };
}

function bfloat16Moments(
  device: Device,
  parameters: ReadonlyMap<string, Tensor>,
  starts: ReadonlyMap<string, number>,
): Moments {
  const all = new Map(Array.from(parameters, ([name, { shape }]) => [name, state(device, shape)]));
  return {
    step: (movers, settings) =>
      adamWPackedStep(
        device,
        movers.map((mover) => ({ ...mover, moments: all.get(mover.name)!, start: starts.get(mover.name)! })),
        settings,
      ),
    async read(parameter, moment) {
      const { first, second } = unpackMoments(await all.get(parameter)!.dataF32());
      return moment === 'firstMoment' ? first : second;
    },
    write: (parameter, first, second) => assign(all.get(parameter)!, packMoments(first, second)),
    dispose() {
      for (const moments of all.values()) moments.dispose();
    },
  };
}

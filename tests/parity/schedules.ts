/** The schedule of a case. */
import type { Schedule } from '@lpr/train';
import type { ScheduleInfo } from './fixtures.ts';

export function scheduleOf(info: ScheduleInfo): Schedule {
  return {
    warmupSteps: info.warmup_steps,
    stableSteps: info.stable_steps,
    decaySteps: info.decay_steps,
    decay: info.decay ?? 'cosine',
    minRatio: info.min_lr_ratio,
  };
}

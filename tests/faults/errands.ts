/** What the command line does that takes its time: how each begins, and how it goes on after it was killed. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadStateOfTheUnion } from '@lpr/data';
import { RUN_FILES, SWEEP_FILES } from '@lpr/runs';

export interface Errand {
  readonly name: string;
  /** The command line for what the folder holds; null where it holds all. */
  next(folder: string, threads: number): readonly string[] | null;
  /** It trains one run, whose files can be damaged meanwhile. */
  readonly isRun: boolean;
  /** What it leaves running when it is killed saves a checkpoint there, wherever that is, and ends. */
  readonly savesOnItsWay?: boolean;
  /** What it has done until it is killed need not be done again. */
  readonly goesOn?: boolean;
}

const over = (...values: readonly string[]): string[] => values.flatMap((value) => ['--set', value]);

// Everything that has state: moving averages, a selection bias and its calibration, noise, micro-batches, evaluations
// along the way.
const TRAINING = [
  ...['--preset', 'tiny', '--router', 'lpr', '--steps', '120'],
  ...over('training.checkpointEvery=6', 'training.logEvery=4', 'training.accumulation=2', 'data.batchSize=2'),
  ...over('training.gradientNormsEvery=3', 'evaluation.every=24', 'evaluation.tokens=1024'),
  ...over('lpr.scoreFrom=z', 'lpr.ema=hard', 'lpr.selectionBiasRate=0.001'),
  ...over('training.calibration={tokens: 2048, rounds: 2}'),
];
const COMPARISON = [
  ...['--preset', 'tiny', '--router', 'lpr', '--seeds', '2', '--steps', '12'],
  ...over('training.checkpointEvery=4', 'training.logEvery=2', 'data.batchSize=2', 'evaluation.tokens=1024'),
];

/** Into a run's folder or a comparison's, which `resume` brings to its end. */
function resumable(command: string, settings: readonly string[], settingsFile: string): Errand['next'] {
  return (folder, threads) =>
    existsSync(join(folder, settingsFile))
      ? ['resume', folder, '--threads', String(threads)]
      : // One of the settings that the folder keeps.
        [command, ...settings, '--out', folder, '--threads', '1'];
}

/** Into a folder that is there once it is whole. */
function atOnce(args: (folder: string, threads: number) => readonly string[]): Errand['next'] {
  return (folder, threads) => (existsSync(folder) && readdirSync(folder).length > 0 ? null : args(folder, threads));
}

/** Errands; they leave what they read in this folder too, and those that need a run read that of the first. */
export function errandsIn(work: string): readonly Errand[] {
  const run = join(work, 'train');
  const text = join(work, 'text.txt');
  // Short, so that little of a process is over before it begins with what can be lost.
  const addresses = loadStateOfTheUnion().slice(0, 30);
  writeFileSync(text, addresses.map((address) => address.text).join('\n\n'));
  const sweep = join(work, 'sweep.yaml');
  writeFileSync(sweep, sweepOf(text));
  return [
    {
      name: 'train',
      next: resumable('train', [...TRAINING, '--text', text], RUN_FILES.config),
      isRun: true,
    },
    {
      name: 'compare',
      next: resumable('compare', [...COMPARISON, '--text', text], SWEEP_FILES.sweep),
      ...{ isRun: false, goesOn: true },
    },
    // Its children are not killed with it: they save and end by themselves, and the next one waits for them.
    {
      name: 'sweep',
      next: (folder) => ['sweep', sweep, '--parallel', '2', '--out', folder],
      ...{ isRun: false, savesOnItsWay: true, goesOn: true },
    },
    { name: 'export', next: atOnce((folder) => ['export', run, folder]), isRun: false },
    {
      name: 'calibrate',
      next: atOnce((folder, threads) => [
        ...['calibrate', run, '--tokens', '2048', '--out', folder, '--threads', String(threads)],
      ]),
      isRun: false,
    },
  ];
}

const sweepOf = (text: string): string => `preset: tiny
settings:
  training: { steps: 12, checkpointEvery: 4, logEvery: 2 }
  data: { batchSize: 2, sources: [{ type: text, paths: [${JSON.stringify(text)}] }] }
  evaluation: { tokens: 1024 }
grid: { router: [top-k, lpr] }
seeds: 2
`;

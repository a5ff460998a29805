/** What the files and folders of a run are called. */

/** The files of a run, by what they hold; run-folder.ts says more of each. */
export const RUN_FILES = {
  config: 'config.yaml',
  identity: 'identity.json',
  environment: 'environment.json',
  metrics: 'metrics.jsonl',
  evaluations: 'evaluations.jsonl',
  blocks: 'held-out-blocks.json',
  loads: 'loads.bin',
  /**
   * TensorBoard takes every file with "tfevents" in its name; one name, so that a run that goes on appends to its own
   * file.
   */
  events: 'events.out.tfevents.run',
  tokenizer: 'tokenizer.json',
  /** Of a run of several that failed: why. */
  failure: 'failure.json',
  note: 'note.json',
  lock: 'lock',
  /** While a process takes the lock of another one over. */
  takeover: 'lock.takeover',
} as const;

/** The folders of a run that hold something of each of several steps. */
export const RUN_FOLDERS = {
  checkpoints: 'checkpoints',
  traces: 'traces',
  latents: 'latents',
  similarity: 'similarity',
} as const;

/** The files of several runs that belong together, beside their folders. */
export const SWEEP_FILES = {
  sweep: 'sweep.yaml',
  /** What earlier versions called it. */
  earlier: 'comparison.yaml',
  summary: 'summary.json',
  /** A folder: the script, numbers and logs of jobs of Slurm. */
  slurm: 'slurm',
} as const;

/** A folder with one of these is that of a run. */
const MARKS: readonly string[] = [RUN_FILES.config, RUN_FILES.metrics, RUN_FILES.loads];

/** Whether a folder with files of these names is that of a run. */
export function isRunFolder(files: readonly string[]): boolean {
  return files.some((name) => MARKS.includes(name));
}

/** What files and folders of a step are called: "step-000123". */
export function stepName(step: number): string {
  return `step-${String(step).padStart(6, '0')}`;
}

/** Below the run's folder: where held-out tokens went at a step. */
export function traceFile(step: number): string {
  return `${RUN_FOLDERS.traces}/${stepName(step)}.trace`;
}

/** Below the run's folder: the latents of held-out tokens at a step. */
export function latentsFile(step: number): string {
  return `${RUN_FOLDERS.latents}/${stepName(step)}.safetensors`;
}

/** Below the run's folder: how alike the experts are at a step. */
export function similarityFile(step: number): string {
  return `${RUN_FOLDERS.similarity}/${stepName(step)}.safetensors`;
}

/** Below the run's folder: a checkpoint. */
export function checkpointFolder(step: number): string {
  return `${RUN_FOLDERS.checkpoints}/${stepName(step)}`;
}

/** The steps of those names that `stepName` gave, followed by an extension; ascending. */
export function stepsOf(names: readonly string[], extension: string = ''): number[] {
  return names
    .flatMap((name) => {
      const step = Number(/^step-(\d{6,})/.exec(name)?.[1]);
      return name === `${stepName(step)}${extension}` ? [step] : [];
    })
    .toSorted((a, b) => a - b);
}

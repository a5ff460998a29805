/**
 * Ranks that train one run. Rank 0 leads: it alone reads and writes the run's folder, evaluates, calibrates, and
 * decides when to stop; the others follow, a step at a time. They begin with the leader's state, and get it again
 * whenever something but a step has changed it, so that nothing but rank 0 needs the folder.
 */
import type { Channel, Communicator } from '@lpr/mpi';
import { type Decoder, tensorOf } from '@lpr/model';
import type { Checkpoint, FileContent, PartNorms } from '@lpr/runs';
import { assign, awaited, scope, sizeOf, type Tensor } from '@lpr/tensor';
import { measureGradientNorms } from '../gradient-norms.ts';
import { allFinite, importShared, receiveExperts, restoreTrainer, sendExperts, sharedSnapshot } from '../snapshot.ts';
import { DivergedError, type StepReport, type Trainer } from '../trainer.ts';
import type { Team } from './accumulate.ts';
import { heldExperts, sharedParameters } from './shared-experts.ts';

const COMMANDS = ['end', 'step', 'state', 'confirm', 'experts', 'weights', 'restore', 'save', 'norms'] as const;
type Command = (typeof COMMANDS)[number];

/** Rank 0's side. */
export class Leader {
  readonly #team: Team;
  /** Whether others have another state than rank 0, as in the beginning. */
  #isStale = true;
  /** Whether the others wait for an order. */
  #isAwaited = true;

  constructor(team: Team) {
    this.#team = team;
    this.#callToExperts();
  }

  /** The channel to the ranks that hold experts; null where each rank has all. */
  get #ofExperts(): Communicator | null {
    return this.#team.experts ? this.#team.communicator : null;
  }

  /** Whatever rank 0 computes alone, the others come where it needs their experts. */
  #callToExperts(): void {
    const { experts } = this.#team;
    if (experts) experts.call = async (layer) => await this.#tell('experts', layer);
  }

  /** "2 ranks over Open MPI v4.1.4" */
  get description(): string {
    const { size, description } = this.#team.communicator;
    return `${size} ranks over ${description}`;
  }

  /** To be called when something but a step has changed the trainer's state. */
  stateChanged(): void {
    this.#isStale = true;
  }

  /** The next step, of all ranks. Resolves when it is recorded. */
  async recordStep(trainer: Trainer): Promise<{ readonly report: Promise<StepReport> }> {
    return await this.#together(async () => {
      await this.#shareIfStale(trainer);
      await this.#tell('step', trainer.step);
      return await this.#withAll(() => trainer.recordSharedStep(this.#team));
    });
  }

  /** See `measureNextNorms`: of all ranks where each owns some of the experts. */
  async measureNorms(trainer: Trainer): Promise<Record<string, PartNorms>> {
    const channel = this.#ofExperts;
    if (channel === null) return await measureNextNorms(trainer, null);
    return await this.#together(async () => {
      await this.#shareIfStale(trainer);
      await this.#tell('norms', trainer.step);
      return await this.#withAll(() => measureNextNorms(trainer, channel));
    });
  }

  /** Runs what all ranks compute, each with tokens of its own, so that none is to be called to its experts. */
  async #withAll<Result>(body: () => Promise<Result>): Promise<Result> {
    const { experts } = this.#team;
    if (experts) experts.call = null;
    const result = await body();
    this.#callToExperts();
    return result;
  }

  /** Restores a checkpoint, on all ranks that hold experts. */
  async restore(trainer: Trainer, checkpoint: Checkpoint): Promise<void> {
    await this.#load('restore', checkpoint.state.step, (channel) => restoreTrainer(trainer, checkpoint, channel));
  }

  /** Starts from the weights of a folder, on all ranks that hold experts. */
  async importWeights(decoder: Decoder, folder: string): Promise<void> {
    await this.#load('weights', 0, (channel) => importShared(decoder, folder, channel));
  }

  async #load(command: Command, step: number, load: (channel: Communicator | null) => Promise<unknown>): Promise<void> {
    const channel = this.#ofExperts;
    this.#isStale = true;
    if (channel === null) {
      await load(null);
      return;
    }
    await this.#together(async () => {
      await this.#tell(command, step);
      await load(channel);
    });
  }

  /**
   * Has all ranks save the trainer's state together, where they hold parts of it.
   *
   * @param write gets the files, and resolves when they are written; null where rank 0 has it all
   */
  async save(trainer: Trainer, write: (files: Map<string, FileContent> | null) => Promise<void>): Promise<void> {
    const channel = this.#ofExperts;
    if (channel === null) {
      await write(null);
      return;
    }
    await this.#together(async () => {
      await this.#tell('save', trainer.step);
      await write(sharedSnapshot(trainer, channel));
    });
  }

  /**
   * Resolves when all ranks are there and have the same weights: to be awaited before they are saved, since a rank that
   * ends in the midst of a message may leave anything in its place.
   *
   * @throws Error where they differ
   */
  async confirm(trainer: Trainer): Promise<void> {
    await this.#together(async () => {
      if (await this.#shareIfStale(trainer)) return;
      await this.#tell('confirm', trainer.step);
      await compareWeights(this.#team.communicator, trainer);
    });
  }

  /** Lets the others go. After a step that failed they are in the midst of it, where only an abort reaches them. */
  async end(): Promise<void> {
    if (this.#isAwaited) await this.#tell('end', 0);
  }

  async #together<Result>(body: () => Promise<Result>): Promise<Result> {
    this.#isAwaited = false;
    try {
      const result = await body();
      this.#isAwaited = true;
      return result;
    } catch (error) {
      this.#team.onFailure?.(error);
      throw error;
    }
  }

  async #shareIfStale(trainer: Trainer): Promise<boolean> {
    if (!this.#isStale) return false;
    await this.#tell('state', trainer.step);
    await shareState(this.#team.communicator, trainer, trainer.step);
    this.#isStale = false;
    return true;
  }

  async #tell(command: Command, step: number): Promise<void> {
    await this.#team.communicator.broadcast(Int32Array.of(COMMANDS.indexOf(command), step), 0);
  }
}

/**
 * What every other rank does: what the leader says, until that ends.
 *
 * @throws Error when this rank's weights are others than rank 0's, or its device fails
 */
export async function followLeader(trainer: Trainer, team: Team): Promise<void> {
  const { communicator } = team;
  /** The step before, which may still run. */
  let pending = Promise.resolve();
  const order = new Int32Array(2);
  for (;;) {
    await communicator.broadcast(order, 0);
    const [number = 0, step = 0] = order;
    const command = COMMANDS[number]!;
    if (command === 'end') break;
    if (command === 'experts') {
      const { device, mixtures } = trainer.decoder;
      await scope(device, async () => await awaited(mixtures[step]!.serve(device)), { gradients: false });
      continue;
    }
    if (command === 'weights' || command === 'restore') {
      await receiveExperts(trainer, communicator, command === 'restore' ? step : null);
      continue;
    }
    if (command === 'state') {
      await shareState(communicator, trainer, step);
      continue;
    }
    if (trainer.step !== step) {
      throw new Error(`rank ${communicator.rank} has done ${trainer.step} steps, rank 0 ${step}`);
    }
    if (command === 'confirm') {
      await compareWeights(communicator, trainer);
      continue;
    }
    if (command === 'norms') {
      await measureNextNorms(trainer, communicator);
      continue;
    }
    if (command === 'save') {
      await sendExperts(trainer, communicator);
      continue;
    }
    const { report } = await trainer.recordSharedStep(team);
    await pending;
    pending = report.then(
      () => {},
      // Rank 0 has it too, and says what it means.
      (error: unknown) => {
        if (!(error instanceof DivergedError)) throw error;
      },
    );
    pending.catch(() => {});
  }
  await pending;
}

/** Norms of each term's gradients, of the next step's first micro-batch. */
export async function measureNextNorms(trainer: Trainer, ranks: Channel | null): Promise<Record<string, PartNorms>> {
  const [batch] = trainer.batchesOf(trainer.step);
  return await measureGradientNorms(trainer.decoder, batch!, trainer.noiseOf(trainer.step), ranks);
}

/** Gives all ranks the weights and moments of rank 0, after `step` steps, but those of experts that each holds. */
async function shareState(communicator: Communicator, { decoder, optimizer }: Trainer, step: number): Promise<void> {
  const isLeader = communicator.rank === 0;
  const receive = async (length: number): Promise<Float32Array> => {
    const data = new Float32Array(length);
    await communicator.broadcast(data, 0);
    return data;
  };
  for (const tensor of commonTensors(decoder)) {
    if (isLeader) await communicator.broadcast(await numbersOf(tensor), 0);
    else assign(tensor, await receive(tensor.size));
  }
  const held = new Set(sharedParameters(decoder).map(({ name }) => name));
  const moments = new Map(optimizer.eachMoment().map((moment) => [moment.name, moment]));
  if (isLeader) {
    for (const { parameter, read } of moments.values()) {
      if (!held.has(parameter)) await communicator.broadcast(await read(), 0);
    }
    return;
  }
  const readOrReceive = async (name: string): Promise<Float32Array> => {
    const { parameter, shape, read } = moments.get(name)!;
    return held.has(parameter) ? await read() : await receive(sizeOf(shape));
  };
  await optimizer.importState(moments.keys(), readOrReceive, step);
}

/** What all ranks have alike. */
function commonTensors(decoder: Decoder): Tensor[] {
  const held = heldExperts(decoder);
  return [...decoder.parameters.values(), ...decoder.buffers.values()].filter((tensor) => !held.has(tensor));
}

async function compareWeights(communicator: Communicator, { decoder, optimizer, step }: Trainer): Promise<void> {
  let sum = 0;
  for (const tensor of commonTensors(decoder)) {
    const numbers = await numbersOf(tensor);
    for (const word of new Int32Array(numbers.buffer)) sum = Math.imul(sum ^ word, 0x01000193);
  }
  const all = new Int32Array(2 * communicator.size);
  await communicator.allGather(Int32Array.of(sum, (await areExpertsFinite(decoder, optimizer)) ? 1 : 0), all);
  const other = all.findIndex((each, i) => each !== (i % 2 === 0 ? all[0] : 1));
  if (other < 0) return;
  const rank = Math.floor(other / 2);
  if (other % 2 === 1) {
    throw new DivergedError(
      step,
      `rank ${rank} has a number that is not finite among its experts after step ${step}: training diverged. Lower the learning rate`,
    );
  }
  throw new Error(
    `rank ${rank} has other weights than rank 0 after step ${step}: their processors round otherwise, or a message was damaged. ` +
      'Use machines of one kind; the checkpoint before is whole',
  );
}

/** Of those that this rank holds alone, which rank 0 does not see before it saves them. */
async function areExpertsFinite(decoder: Decoder, optimizer: Trainer['optimizer']): Promise<boolean> {
  const held = new Set(sharedParameters(decoder).map(({ name }) => name));
  const moments = optimizer.eachMoment().filter(({ parameter }) => held.has(parameter));
  const reads = [
    ...Array.from(held, (name) => () => numbersOf(tensorOf(decoder, name))),
    ...moments.map(({ read }) => read),
  ];
  for (const read of reads) if (!allFinite(await read())) return false;
  return true;
}

async function numbersOf(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
  return (await tensor.data()) as Float32Array<ArrayBuffer>;
}

/**
 * Ranks that train one run. Rank 0 leads: it alone reads and writes the run's folder, evaluates, calibrates, and
 * decides when to stop; the others follow, a step at a time. They begin with the leader's state, and get it again
 * whenever something but a step has changed it, so that nothing but rank 0 needs the folder.
 */
import type { Communicator } from '@lpr/mpi';
import { assign, type Tensor } from '@lpr/tensor';
import { DivergedError, type StepReport, type Trainer } from '../trainer.ts';
import type { Team } from './accumulate.ts';

const COMMANDS = ['end', 'step', 'state', 'confirm'] as const;
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
      return await trainer.recordSharedStep(this.#team);
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

/** Gives all ranks the weights and moments of rank 0, after `step` steps. */
async function shareState(communicator: Communicator, { decoder, optimizer }: Trainer, step: number): Promise<void> {
  const isLeader = communicator.rank === 0;
  const receive = async (length: number): Promise<Float32Array> => {
    const data = new Float32Array(length);
    await communicator.broadcast(data, 0);
    return data;
  };
  for (const tensor of [...decoder.parameters.values(), ...decoder.buffers.values()]) {
    if (isLeader) await communicator.broadcast(await numbersOf(tensor), 0);
    else assign(tensor, await receive(tensor.size));
  }
  const moments = await optimizer.exportState();
  if (!isLeader) {
    await optimizer.importState(moments.keys(), (name) => receive(moments.get(name)!.data.length), step);
    return;
  }
  for (const { data } of moments.values()) await communicator.broadcast(data, 0);
}

async function compareWeights(communicator: Communicator, { decoder, step }: Trainer): Promise<void> {
  let sum = 0;
  for (const tensor of [...decoder.parameters.values(), ...decoder.buffers.values()]) {
    const numbers = await numbersOf(tensor);
    for (const word of new Int32Array(numbers.buffer)) sum = Math.imul(sum ^ word, 0x01000193);
  }
  const all = new Int32Array(communicator.size);
  await communicator.allGather(Int32Array.of(sum), all);
  const other = all.findIndex((each) => each !== all[0]);
  if (other < 0) return;
  throw new Error(
    `rank ${other} has other weights than rank 0 after step ${step}: their processors round otherwise, or a message was damaged. ` +
      'Use machines of one kind; the checkpoint before is whole',
  );
}

async function numbersOf(tensor: Tensor): Promise<Float32Array<ArrayBuffer>> {
  return (await tensor.data()) as Float32Array<ArrayBuffer>;
}

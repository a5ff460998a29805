/**
 * Ranks within one process: the communicator of a program that runs alone, and of tests that need several ranks but no
 * MPI. Numbers are copied between the arrays of those who call.
 */
import { type Channel, checkParts, checkReceived, type Communicator, type Numbers, partOf } from './communicator.ts';

/** What a rank brings to a call that all make together. */
interface Call {
  readonly name: string;
  readonly send: Numbers;
  readonly receive: Numbers;
  /** Of parts of several lengths: how many numbers go to each rank. */
  readonly sent?: readonly number[];
}

type Exchange = (calls: readonly Call[]) => void;

/** A call that some ranks have made, and others not yet. */
interface Meeting {
  readonly calls: Map<number, Call>;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

function openMeeting(): Meeting {
  let [resolve, reject]: [() => void, (error: unknown) => void] = [() => {}, () => {}];
  const done = new Promise<void>((fulfil, fail) => {
    [resolve, reject] = [fulfil, fail];
  });
  // Whoever has called it is told.
  done.catch(() => {});
  return { calls: new Map(), done, resolve, reject };
}

/** @returns a communicator for each of `size` ranks */
export function inProcess(size: number): readonly Communicator[] {
  const beside = channels(size);
  return channels(size).map((channel, rank) => {
    const more: Omit<Communicator, keyof Channel> = {
      local: size,
      description: 'one process',
      beside: beside[rank]!,
      abort: (code) => {
        throw new Error(`rank ${rank} ends all ranks with the exit code ${code}`);
      },
      finalize: () => {},
    };
    return Object.assign(channel, more);
  });
}

function channels(size: number): readonly Channel[] {
  const meetings = new Map<number, Meeting>();
  const made = Array.from({ length: size }, () => 0);

  const meet = async (rank: number, call: Call, exchange: Exchange): Promise<void> => {
    const number = made[rank]!++;
    const meeting = meetings.get(number) ?? openMeeting();
    meetings.set(number, meeting);
    const { calls, done, resolve, reject } = meeting;
    const other = [...calls.values()].find(({ name }) => name !== call.name);
    if (other !== undefined)
      reject(new Error(`ranks disagree: rank ${rank} calls ${call.name}, another ${other.name}`));
    calls.set(rank, call);
    if (calls.size === size) {
      meetings.delete(number);
      try {
        exchange(Array.from({ length: size }, (_, each) => calls.get(each)!));
        resolve();
      } catch (error) {
        reject(error);
      }
    }
    await done;
  };

  return Array.from({ length: size }, (_, rank): Channel => {
    let bytesSent = 0;
    const together = async (
      name: string,
      send: Numbers,
      receive: Numbers,
      bytes: number,
      exchange: Exchange,
      sent?: readonly number[],
    ): Promise<void> => {
      bytesSent += bytes;
      await meet(rank, { name, send, receive, ...(sent && { sent }) }, exchange);
    };
    const nothing = new Uint8Array(0);
    return {
      rank,
      size,
      get bytesSent() {
        return bytesSent;
      },
      barrier: () => together('barrier', nothing, nothing, 0, () => {}),
      broadcast: (data, root) =>
        together('broadcast', data, data, rank === root ? data.byteLength * (size - 1) : 0, (calls) => {
          for (const { receive } of calls) if (receive !== calls[root]!.send) receive.set(calls[root]!.send);
        }),
      async scatterParts(send, received) {
        checkReceived(send, rank, size, received);
        const [begin, end] = partOf(send.length, rank, size);
        const bytes = 4 * (send.length - (end - begin));
        await together('scatterParts', send, received, bytes, (calls) => {
          for (const [to, { receive }] of calls.entries()) {
            const others = calls.filter((_, from) => from !== to);
            let at = 0;
            for (const { send: from } of others) {
              const part = from.subarray(...partOf(from.length, to, size));
              receive.set(part, at);
              at += part.length;
            }
          }
        });
      },
      async gatherParts(all) {
        const [begin, end] = partOf(all.length, rank, size);
        await together('gatherParts', all, all, 4 * (end - begin) * (size - 1), (calls) => {
          for (const { receive } of calls) {
            for (const [from, { send }] of calls.entries()) {
              const [start, stop] = partOf(send.length, from, size);
              if (receive !== send) receive.set(send.subarray(start, stop), start);
            }
          }
        });
      },
      async allToAllV(send, sent, into, received) {
        checkParts(size, send, sent, into, received);
        const bytes = 4 * (send.length - sent[rank]!);
        await together('allToAllV', send, into, bytes, exchangeParts, sent);
      },
      allGather: (own, all) =>
        together('allGather', own, all, own.byteLength * (size - 1), (calls) => {
          for (const { receive } of calls) {
            calls.forEach(({ send }, place) => receive.set(send, place * send.length));
          }
        }),
      allReduce: (data) =>
        together('allReduce', data, data, (2 * data.byteLength * (size - 1)) / size, (calls) => {
          const sum = calls[0]!.send.slice();
          for (const { send } of calls.slice(1)) for (let i = 0; i < sum.length; i++) sum[i]! += send[i]!;
          for (const { receive } of calls) receive.set(sum);
        }),
    };
  });
}

/** To each rank what all have for it, in their order. */
const exchangeParts: Exchange = (calls) => {
  const taken = calls.map(() => 0);
  for (const [to, { receive }] of calls.entries()) {
    let end = 0;
    for (const [from, { send, sent }] of calls.entries()) {
      const part = send.subarray(taken[from], (taken[from]! += sent![to]!));
      receive.set(part, end);
      end += part.length;
    }
    if (end !== receive.length) {
      throw new RangeError(`allToAllV: rank ${to} awaits ${receive.length} numbers, and ${end} were sent to it`);
    }
  }
};

/**
 * Scopes: who frees what. Tensors made while a scope is open are freed when it ends, also when it throws, and also
 * across `await`. A tensor that the scope's function returns (alone, or in an array or plain object) passes to the
 * scope around it.
 */
import type { Device } from './devices/device.ts';
import type { Pausing } from './pausing.ts';

/** What a scope frees: tensors. */
export interface Owned {
  readonly device: Device;
  dispose(): void;
  toString(): string;
}

/** What the outermost scope lets go: nodes of the graph. */
export interface Releasable {
  release(): void;
}

export class Scope {
  /** Whether ops record what `backward` needs. */
  readonly gradients: boolean;
  readonly #owned = new Set<Owned>();
  readonly #nodes: Releasable[] = [];

  constructor(gradients: boolean) {
    this.gradients = gradients;
  }

  own(tensor: Owned): void {
    this.#owned.add(tensor);
  }

  disown(tensor: Owned): boolean {
    return this.#owned.delete(tensor);
  }

  /** The scope's tensors in a value: itself, or those in an array or plain object, at any depth. */
  *ownedIn(value: unknown): Generator<Owned> {
    if (typeof value !== 'object' || value === null) return;
    if (this.#owned.has(value as Owned)) yield value as Owned;
    else if (Array.isArray(value)) for (const element of value) yield* this.ownedIn(element);
    else if (Object.getPrototypeOf(value) === Object.prototype) yield* this.ownedIn(Object.values(value));
  }

  ownNode(node: Releasable): void {
    this.#nodes.push(node);
  }

  end(): void {
    for (const tensor of this.#owned) tensor.dispose();
    for (const node of this.#nodes) node.release();
  }
}

const scopes = new WeakMap<Device, Scope[]>();

/** The innermost open scope of a device. */
export function currentScope(device: Device): Scope | undefined {
  return scopes.get(device)?.at(-1);
}

/** Devices on which a tensor was made outside of a scope, and that was said. */
const reported = new WeakSet<Device>();

/**
 * Gives a new tensor to the innermost open scope of its device. Where there is none, nothing will free it: in
 * development (NODE_ENV is neither 'production' nor 'test') the first on each device is reported.
 */
export function claim(tensor: Owned): void {
  const open = currentScope(tensor.device);
  if (open !== undefined) open.own(tensor);
  else if (!reported.has(tensor.device) && inDevelopment()) {
    reported.add(tensor.device);
    console.warn(
      `${tensor.toString()} was made outside of a scope, so nothing frees its memory, nor that of tensors made like it. ` +
        'Put the work into scope(device, () => ...), which frees what it made but does not return; what is to live on ' +
        'is made by parameter() or state(), or taken out by keep(). Said once, and not where NODE_ENV is production.',
    );
  }
}

/** Whether the program is being written: pages have no NODE_ENV unless their bundler gives them one. */
export function inDevelopment(): boolean {
  const { process } = globalThis as { process?: { env?: { NODE_ENV?: string } } };
  return !['production', 'test'].includes(process?.env?.NODE_ENV ?? '');
}

/** Ties a graph node to the outermost scope: inner scopes may end before `backward` needs it. */
export function ownNode(device: Device, node: Releasable): void {
  scopes.get(device)?.[0]?.ownNode(node);
}

/**
 * Whether ops on this device record for `backward` now: yes outside of scopes and in scopes that do not say otherwise.
 */
export function gradientsEnabled(device: Device): boolean {
  return currentScope(device)?.gradients ?? true;
}

/** What a scope does besides freeing. */
export interface ScopeOptions {
  /** false: ops inside record nothing for `backward` (evaluation). By default as in the scope around it. */
  readonly gradients?: boolean;
}

/**
 * Runs `body` in a scope of its own and gives what it returns. Scopes of one device nest; an asynchronous body must be
 * awaited before the scope around it ends or another one begins beside it, which is checked.
 */
export function scope<T>(device: Device, body: () => T, options: ScopeOptions = {}): T {
  const close = openScope(device, options);
  let result: T;
  try {
    result = body();
  } catch (error) {
    close(undefined);
    throw error;
  }
  if (result instanceof Promise) {
    return result.then(
      (value: unknown) => {
        close(value);
        return value;
      },
      (error: unknown) => {
        close(undefined);
        throw error;
      },
    ) as T;
  }
  close(result);
  return result;
}

/** As `scope`, around a computation that may pause. */
export function* pausingScope<T>(device: Device, body: () => Pausing<T>, options: ScopeOptions = {}): Pausing<T> {
  const close = openScope(device, options);
  let result: T;
  try {
    result = yield* body();
  } catch (error) {
    close(undefined);
    throw error;
  }
  close(result);
  return result;
}

/** Gives what ends the scope, and hands on the tensors in a value. */
function openScope(device: Device, options: ScopeOptions): (result: unknown) => void {
  let stack = scopes.get(device);
  if (stack === undefined) scopes.set(device, (stack = []));
  const open = stack;
  const own = new Scope(options.gradients ?? gradientsEnabled(device));
  open.push(own);
  return (result) => {
    if (open.at(-1) !== own) {
      const at = open.indexOf(own);
      for (const inner of open.splice(at)) inner.end();
      throw new Error(
        'scope: ended while a scope that began inside it was still open; await each scope before the next one',
      );
    }
    open.pop();
    const outer = open.at(-1);
    for (const tensor of own.ownedIn(result)) {
      own.disown(tensor);
      outer?.own(tensor);
    }
    own.end();
  };
}

/** Takes tensors out of their scope: they live until they are disposed. Gives its argument back. */
export function keep<T extends Owned>(tensor: T): T {
  for (const open of scopes.get(tensor.device) ?? []) open.disown(tensor);
  return tensor;
}

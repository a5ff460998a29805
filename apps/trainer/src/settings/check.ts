/** Checks whole settings, as they are put together from presets, files and options, or were read from a run's folder. */
import { ConfigError } from '@lpr/model';
import { UsageError } from '../errors.ts';
import { decoderConfig } from '../models.ts';
import { type Fault, faultsOf, faultsText } from './faults.ts';
import { isGroup } from './merge.ts';
import { groupOf, isMethod, methodSchema, ROUTER_GROUPS, ROUTERS } from './routers.ts';
import { type Settings, settingsSchema } from './schema.ts';

/**
 * Settings in which everything fits.
 *
 * @param origin where they came from, for messages
 * @throws UsageError that lists every fault with its path
 */
export function checkSettings(value: unknown, origin: string): Settings {
  const foreign = foreignGroupFaults(value);
  if (foreign.length > 0) throw new UsageError(faultsText(origin, foreign));
  const parsed = settingsSchema.safeParse(value);
  if (!parsed.success) throw new UsageError(faultsText(origin, faultsOf(parsed.error, settingsSchema, value)));
  const settings = parsed.data;
  const faults = [...routerFaults(settings), ...sizeFaults(settings)];
  if (faults.length === 0) faults.push(...modelFaults(settings));
  if (faults.length > 0) throw new UsageError(faultsText(origin, faults));
  return settings;
}

/** A group that the router does not read is most likely half of what was meant, so nothing else is said then. */
function foreignGroupFaults(value: unknown): Fault[] {
  if (!isGroup(value)) return [];
  const router = ROUTERS.find((name) => name === value['router']);
  if (router === undefined) return [];
  const foreign = ROUTER_GROUPS.filter((group) => group !== groupOf(router) && value[group] !== undefined);
  return foreign.map((group) => ({
    path: group,
    problem: `the router ${router} does not read this group; leave it out or name another router`,
  }));
}

function routerFaults(settings: Settings): Fault[] {
  const { router, method } = settings;
  const own = groupOf(router);
  if (settings[own] === undefined) return [{ path: own, problem: `the router ${router} needs this group` }];
  if (!isMethod(router)) return [];
  // Only here is it known which method it is.
  const schema = methodSchema(router);
  const parsed = schema.safeParse(method);
  if (parsed.success) return [];
  return faultsOf(parsed.error, schema, method).map(({ path, problem }) => ({
    path: path === '' ? 'method' : `method.${path}`,
    problem,
  }));
}

function sizeFaults({ size, training }: Settings): Fault[] {
  const faults: Fault[] = [];
  const check = (holds: boolean, path: string, problem: string): void => {
    if (!holds) faults.push({ path, problem });
  };
  check(
    size.topK <= size.experts,
    'size.topK',
    `got ${size.topK}, but there are only ${size.experts} experts; lower it or raise size.experts`,
  );
  check(
    size.heads % size.keyValueHeads === 0,
    'size.heads',
    `got ${size.heads}, which must be a multiple of size.keyValueHeads (${size.keyValueHeads})`,
  );
  check(size.headDim % 2 === 0, 'size.headDim', `got ${size.headDim}; rotary embedding needs an even number`);
  check(
    training.warmup + training.stable <= 1,
    'training',
    `warmup (${training.warmup}) and stable (${training.stable}) are shares of the steps, together at most 1`,
  );
  return faults;
}

/** What the architecture's own checks say, which also see the group `model`. */
function modelFaults(settings: Settings): Fault[] {
  try {
    decoderConfig(settings, settings.size.vocabulary);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const own = Object.keys(settings.model);
    return error.message.split('\n').map((line) => {
      const problem = line.replace(/^config: /, '');
      const key = /^\w+/.exec(problem)?.[0] ?? '';
      return { path: '', problem: own.includes(key) ? `model.${problem}` : problem };
    });
  }
}

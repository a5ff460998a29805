/** Every other routing method: what it chooses, its losses and gradients, and what it changes after a step. */
import {
  balancedAssignment,
  createRouter,
  resolveRouter,
  type RouterKind,
  routerMethods,
  routerParameters,
  statisticsOf,
} from '@lpr/moe';
import {
  add,
  assign,
  backward,
  cast,
  createWasmDevice,
  minimum,
  multiply,
  parameter,
  scope,
  state,
  sum,
  takeAlongRows,
  type Tensor,
} from '@lpr/tensor';
import { afterAll, expect, it } from 'vitest';
import { casesOf, Comparison } from './fixtures.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

it('every method has a case', () => {
  const kinds = casesOf('routing').map(([, { info }]) => (info['method'] as { readonly kind: string }).kind);
  // The cases of LPR are of a kind of their own.
  expect(new Set([...kinds, 'latentPrototype'])).toEqual(new Set(Object.keys(routerMethods)));
});

it.for(casesOf('routing'))('%s', async ([, fixture]) => {
  const { info } = fixture;
  const shape = info['shape'] as { readonly hidden: number; readonly experts: number; readonly topK: number };
  const { kind, ...settings } = info['method'] as { readonly kind: RouterKind };
  const options = resolveRouter(kind, settings);
  const tensors = new Map<string, Tensor>();
  for (const { name, shape: extents, trained } of routerParameters(options, shape)) {
    const { shape: given } = fixture.get(name);
    expect(given, name).toEqual(extents);
    const target = trained ? parameter(device, fixture.values(name), given) : state(device, given);
    assign(target, fixture.values(name));
    tensors.set(name, target);
  }
  const router = createRouter(options, shape, tensors);
  const comparison = new Comparison(fixture);

  await scope(device, async () => {
    const given = (name: string): Tensor => fixture.tensor(device, `in.${name}`);
    const optional = (name: string): Tensor | undefined =>
      fixture.tensors.has(`in.${name}`) ? given(name) : undefined;
    const [noise, tokenIds] = [optional('noise'), optional('token_ids')];
    const x = parameter(given('x'));
    const routing = router.route(x, {
      training: info['training'] === true,
      sequence: Number(info['sequence']),
      ...(noise && { noise }),
      ...(tokenIds && { tokenIds }),
    });
    const { experts, weights, scores, logits, passThrough, counts, losses, unused = [] } = routing;

    comparison.equal('out.selected', await experts.data());
    comparison.close('out.weights', await weights.data());
    comparison.close('out.scores', await scores.data());
    comparison.equal('out.counts', await counts.data());
    if (fixture.tensors.has('out.logits')) comparison.close('out.logits', await logits!.data());
    // An empty slot has weight 0, so any expert will do there.
    const facing = cast(minimum(cast(experts, 'f32'), shape.experts - 1), 'i32');
    let objective = sum(multiply(takeAlongRows(given('ct_gates'), facing), weights));
    if (passThrough !== undefined) {
      comparison.close('out.pass_through', await passThrough.data());
      objective = add(objective, sum(multiply(given('ct_pass_through'), passThrough)));
    }
    for (const { reason, count } of unused) comparison.equal(`out.unused.${reason}`, [await count.item()]);
    for (const { name, value, weight } of losses) {
      comparison.close(`out.loss.${name}`, [await value.item()]);
      objective = add(objective, multiply(value, weight));
    }
    comparison.close('out.objective', [await objective.item()]);
    const gradients = fixture.names('grad.');
    if (gradients.length > 0) backward(objective);
    for (const name of gradients) {
      const { grad } = name === 'in.x' ? x : tensors.get(name)!;
      comparison.close(`grad.${name}`, await grad!.data());
    }
    const changed = fixture.names('out.after.');
    if (changed.length > 0) router.afterStep(statisticsOf(routing));
    for (const name of changed) comparison.close(`out.after.${name}`, await tensors.get(name)!.data());
    x.dispose();
  });
  comparison.reportUncompared();
  expect(comparison.problems).toEqual([]);
  tensors.forEach((owner) => owner.dispose());
  expect(device.memory.liveBuffers).toBe(0);
});

it.for(casesOf('assignment'))('%s', async ([, fixture]) => {
  for (const i of fixture.names('in.scores.')) {
    const { shape, data } = fixture.get(`in.scores.${i}`);
    const [tokens = 0, experts = 0] = shape;
    const assigned = await scope(device, () =>
      balancedAssignment(fixture.tensor(device, `in.scores.${i}`), { priceRounds: 8, bidRounds: 8 }).data(),
    );
    const loads = Array.from({ length: experts }, (_, e) => assigned.filter((a) => a === e).length);
    expect(loads).toEqual(loads.map((_, e) => Math.floor(tokens / experts) + Number(e < tokens % experts)));
    const total = Array.from(assigned, (e, t) => Number(data[t * experts + e]!)).reduce((a, b) => a + b, 0);
    const shortfall = (fixture.values(`out.total.${i}`)[0]! - total) / tokens;
    expect(shortfall).toBeGreaterThan(-1e-5);
    expect(shortfall).toBeLessThan(Number(fixture.info['shortfall']));
  }
});

/** Recorded routing followed again: the same outputs to the bit, through the bytes of a trace, for every method. */
import { decodeTrace, encodeTrace, compareTraces, replayTrace, type RoutingTrace, TraceRecorder } from '@lpr/metrics';
import { createDecoder, type Decoder, parseDecoderConfig } from '@lpr/model';
import { expertParameters, MoeLayer, type RecordedRouting, routerMethods, type Routing, routerTraits } from '@lpr/moe';
import { contextOf, disposeRouter, makeRouter } from '@lpr/moe/testing';
import { createWasmDevice, RandomKey, scope, tensor } from '@lpr/tensor';
import { createParameters } from '@lpr/tensor/nn';
import { afterAll, describe, expect, it } from 'vitest';
import { routerCases } from './routers.ts';

const device = await createWasmDevice({ threads: 1 });
afterAll(() => device.dispose());

const rows = Array.from({ length: 12 }, (_, t) =>
  Array.from({ length: 6 }, (__, i) => Math.sin(1 + 5 * t + 3 * i * i)),
);

async function traceOf(
  routings: readonly Routing[],
  tokenIds: ArrayLike<number>,
  experts: number,
): Promise<RoutingTrace> {
  const layers: { experts: ArrayLike<number>; weights: ArrayLike<number> }[] = [];
  for (const routing of routings) {
    layers.push({ experts: await routing.experts.data(), weights: await routing.weights.data() });
  }
  const recorder = new TraceRecorder({ experts, limit: tokenIds.length });
  recorder.add({ domain: 'test', tokenIds, layers });
  return decodeTrace(encodeTrace(recorder.trace()));
}

/** The whole trace as tensors. */
function recorded(trace: RoutingTrace): RecordedRouting[] {
  const [batch] = [...replayTrace(trace, trace.tokens)];
  return batch!.layers.map(({ experts, weights }) => ({
    experts: tensor(device, Int32Array.from(experts), [trace.tokens, trace.slots]),
    weights: tensor(device, Float32Array.from(weights), [trace.tokens, trace.slots]),
  }));
}

describe('a layer', () => {
  it.for(routerCases.map((each) => [each.name, each] as const))('of %s', async ([, { options }]) => {
    const router = makeRouter(device, options, { hidden: 6, experts: 5, topK: 2 }, 8);
    const weights = createParameters(
      device,
      expertParameters({ hidden: 6, experts: 5, width: 3 }),
      RandomKey.fromSeed(1),
    );
    const layer = new MoeLayer(router, weights);
    await scope(device, async () => {
      const x = tensor(device, rows.flat(), [12, 6]);
      const context = contextOf(device, rows, false);
      const first = layer.forward(x, context);
      const [replay] = recorded(
        await traceOf(
          [first.routing],
          rows.map((_, t) => t),
          5,
        ),
      );
      const again = layer.forward(x, { ...context, replay: replay! });
      expect(await again.output.data()).toEqual(await first.output.data());
      expect(await again.routing.counts.data()).toEqual(await first.routing.counts.data());
      expect(() => layer.forward(x, { ...context, training: true, replay: replay! })).toThrow('is for evaluation');
      const short = { ...replay!, experts: tensor(device, new Int32Array(2), [1, 2]) };
      expect(() => layer.forward(x, { ...context, replay: short })).toThrow('must be [12, slots], got [1, 2]');
    });
    disposeRouter(router);
    weights.forEach((each) => each.dispose());
  });
});

describe('a decoder', () => {
  const kinds = Object.values(routerMethods)
    .map(({ defaults }) => defaults)
    .filter((options) => options.kind !== 'latentPrototype' && routerTraits(options).onlyTopK === null);

  function decoderOf(router_type: string, seed: number): Decoder {
    const config = parseDecoderConfig({
      model_type: 'mixtral',
      ...{ vocab_size: 40, hidden_size: 16, num_hidden_layers: 2, num_attention_heads: 2, num_key_value_heads: 1 },
      ...{
        max_position_embeddings: 32,
        intermediate_size: 8,
        num_local_experts: 6,
        num_experts_per_tok: 2,
        router_type,
      },
    });
    return createDecoder(device, config, { seed });
  }

  it.each(['lpr', ...kinds.map(({ kind }) => kind)])(
    'with %s follows its own trace, and that of another',
    async (kind) => {
      const [decoder, other] = [decoderOf(kind, 1), decoderOf('vanilla', 2)];
      const ids = Int32Array.from({ length: 20 }, (_, t) => (7 * t) % 40);
      await scope(
        device,
        async () => {
          const batch = { inputIds: tensor(device, ids, [2, 10]), labels: tensor(device, ids, [2, 10]) };
          const [own, foreign] = [
            decoder.forward(batch, { training: false }),
            other.forward(batch, { training: false }),
          ];
          const trace = await traceOf(own.routings, ids, 6);
          const again = decoder.forward(batch, { training: false, replay: recorded(trace) });
          expect(await again.taskLoss.item()).toBe(await own.taskLoss.item());
          const identical = compareTraces(trace, await traceOf(again.routings, ids, 6));
          expect(identical.map(({ largestDifference }) => largestDifference)).toEqual([0, 0]);
          const followed = decoder.forward(batch, {
            training: false,
            replay: recorded(await traceOf(foreign.routings, ids, 6)),
          });
          expect(await followed.routings[1]!.counts.data()).toEqual(await foreign.routings[1]!.counts.data());
          expect(await followed.taskLoss.item()).not.toBe(await own.taskLoss.item());
        },
        { gradients: false },
      );
      [decoder, other].forEach((each) => each.dispose());
    },
  );
});

/** One of the two models in training, on a device of its own; runs in a worker of the page, and in Node. */
import { BatchStream } from '@lpr/data/browser';
import { createDecoder, type Decoder } from '@lpr/model';
import { type Device, scope, tensor } from '@lpr/tensor';
import { makeSchedule, Trainer } from '@lpr/train/browser';
import type { Corpus } from './corpus.ts';
import { LatentPlane, type Rows } from './latent-plane.ts';
import { BATCH, decoderConfig, SEQUENCE, type Side } from './model.ts';
import type { Settings } from './settings.ts';

/** What one step did. */
export interface Step {
  /** Steps done. */
  readonly step: number;
  /** Mean cross entropy of the batch before the update, in nats a token. */
  readonly loss: number;
  /** Tokens that each expert got, `[layers][M]`. */
  readonly counts: readonly Int32Array[];
}

/** A layer of a look. */
export interface LayerLook {
  /** Places in the unit disc, `[2n]`: tokens of the sample, then of held-out text. */
  readonly tokens: Float32Array;
  /** Places of prototypes, or of the rows of the own router, `[2M]`. */
  readonly keys: Float32Array;
  /** `[n * k]`: the experts of each token, the first choice first, and their weights. */
  readonly experts: Int32Array;
  readonly weights: Float32Array;
}

/** How the sample and some held-out text are routed. */
export interface Look {
  readonly step: number;
  /** Text of each token of the sample, as many as the model sees at a time. */
  readonly sample: readonly string[];
  /** Tokens of the sample beyond those. */
  readonly cut: number;
  readonly layers: readonly LayerLook[];
}

/** Steps in which the learning rate rises. */
const WARMUP = 10;

export class Training {
  readonly decoder: Decoder;
  readonly #corpus: Corpus;
  readonly #trainer: Trainer;
  readonly #planes: readonly LatentPlane[];

  constructor(device: Device, corpus: Corpus, settings: Settings, side: Side) {
    const { seed, learningRate } = settings;
    const config = decoderConfig(settings, side, corpus.tokenizer.vocabularySize);
    this.decoder = createDecoder(device, config, { seed });
    this.#corpus = corpus;
    this.#trainer = new Trainer({
      decoder: this.decoder,
      stream: new BatchStream({ tokens: corpus.training, batchSize: BATCH, sequenceLength: SEQUENCE, seed }),
      seed,
      learningRate,
      schedule: makeSchedule({ kind: 'constant', warmup: 1, minRatio: 0.1 }, WARMUP),
    });
    this.#planes = this.decoder.moeLayers.map(() => new LatentPlane());
  }

  /** Takes a step. */
  async step(): Promise<Step> {
    const { step, loss, counts } = await this.#trainer.recordStep();
    return { step, loss, counts };
  }

  /** Looks at the model as it is, which changes nothing of it. */
  async look(sample: string): Promise<Look> {
    const { tokenizer, heldOut } = this.#corpus;
    const all = tokenizer.encode(sample);
    const ids = all.slice(0, SEQUENCE);
    const [own, others] = [await this.#routed(ids, ids.length), await this.#routed(heldOut, SEQUENCE)];
    const layers = own.map((layer, i): LayerLook => {
      const other = others[i]!;
      const latents = { values: joined(layer.latents, other.latents), width: layer.keys.width };
      const { tokens, keys } = this.#planes[i]!.project(latents, layer.keys);
      return {
        tokens,
        keys,
        experts: Int32Array.from([...layer.experts, ...other.experts]),
        weights: joined(layer.weights, other.weights),
      };
    });
    return {
      step: this.#trainer.step,
      sample: Array.from(ids, (id) => tokenizer.decode([id])),
      cut: all.length - ids.length,
      layers,
    };
  }

  dispose(): void {
    this.#trainer.dispose();
    this.decoder.dispose();
  }

  /** How sequences of a length are routed. */
  async #routed(ids: Int32Array, length: number): Promise<RoutedLayer[]> {
    const { device, routers } = this.decoder;
    return await scope(device, async () => {
      // What an own router reads; LPR has latents of its own, which it tells among its details.
      const inputs: Promise<Float32Array>[] = [];
      const routings = this.decoder.routings(tensor(device, ids, [ids.length / length, length]), (name, activation) => {
        if (name.endsWith('.experts.input')) inputs.push(activation.dataF32());
      });
      return await Promise.all(
        routings.map(async ({ experts, weights, details }, i): Promise<RoutedLayer> => {
          const { parameters } = routers[i]!;
          const keys = parameters.get('expert_keys') ?? parameters.get('weight')!;
          const [latentValues, keyValues, expertValues, weightValues] = await Promise.all([
            details?.['mu']?.dataF32() ?? inputs[i]!,
            keys.dataF32(),
            experts.dataI32(),
            weights.dataF32(),
          ]);
          return {
            latents: latentValues,
            keys: { values: keyValues, width: keys.shape[1]! },
            experts: expertValues,
            weights: weightValues,
          };
        }),
      );
    });
  }
}

/** A layer: what its router compares, `[n, D]` with `[M, D]`, and what it chose. */
interface RoutedLayer {
  readonly latents: Float32Array;
  readonly keys: Rows;
  readonly experts: Int32Array;
  readonly weights: Float32Array;
}

function joined(a: Float32Array, b: Float32Array): Float32Array {
  const both = new Float32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

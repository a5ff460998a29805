/** All routing methods by kind: the place where a new one is entered. */
import type { Tensor } from '@lpr/tensor';
import type { ParameterSpec } from '../parameters.ts';
import type { Router, RouterShape } from '../router.ts';
import type { LatentPrototypeOptions } from './latentPrototype/options.ts';
import { latentPrototypeParameters, LatentPrototypeRouter } from './latentPrototype/router.ts';
import { type TopKSoftmaxOptions, topKSoftmaxParameters, TopKSoftmaxRouter } from './topKSoftmax.ts';

/** A routing method with its settings, as plain data. */
export type RouterOptions = TopKSoftmaxOptions | (LatentPrototypeOptions & { readonly kind: 'latentPrototype' });

interface Method<Options> {
  readonly parameters: (options: Options, shape: RouterShape) => ParameterSpec[];
  readonly create: (options: Options, shape: RouterShape, tensors: ReadonlyMap<string, Tensor>) => Router;
}

const methods: { readonly [Options in RouterOptions as Options['kind']]: Method<Options> } = {
  topKSoftmax: {
    parameters: (_, shape) => topKSoftmaxParameters(shape),
    create: (options, shape, tensors) => new TopKSoftmaxRouter(options, shape, tensors),
  },
  latentPrototype: {
    parameters: latentPrototypeParameters,
    create: (options, shape, tensors) => new LatentPrototypeRouter(options, shape, tensors),
  },
};

/** TypeScript cannot see that the entry under a kind takes the options of that kind. */
function methodOf<Options extends RouterOptions>(options: Options): Method<Options> {
  return (methods as Readonly<Record<string, unknown>>)[options.kind] as Method<Options>;
}

/** The tensors that a router needs, before any is made. */
export function routerParameters(options: RouterOptions, shape: RouterShape): ParameterSpec[] {
  return methodOf(options).parameters(options, shape);
}

/** A router over tensors that `routerParameters` named. Throws when a tensor is missing or topK does not fit the experts. */
export function createRouter(options: RouterOptions, shape: RouterShape, tensors: ReadonlyMap<string, Tensor>): Router {
  return methodOf(options).create(options, shape, tensors);
}

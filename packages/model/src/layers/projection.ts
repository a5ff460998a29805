/** Linear maps by name: their parameters, and the product with the tensors of that name. */
import { linear, type Tensor } from '@lpr/tensor';
import { constantSpec, type ParameterSpec, tensorNamed, weightSpec } from '@lpr/tensor/nn';

/** `name.weight` `[to, from]` and, where there is a bias, `name.bias` `[to]`. */
export function projection(name: string, from: number, to: number, bias: boolean): ParameterSpec[] {
  return [weightSpec(`${name}.weight`, [to, from]), ...(bias ? [constantSpec(`${name}.bias`, [to], 0)] : [])];
}

/** x `[rows, from]` through the map of that name; gives `[rows, to]`. */
export function project(tensors: ReadonlyMap<string, Tensor>, name: string, x: Tensor): Tensor {
  return linear(x, tensorNamed(tensors, `${name}.weight`), tensors.get(`${name}.bias`));
}

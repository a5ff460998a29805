/**
 * Elementwise results that are not computed yet. A chain of them becomes one launch, or a part of the sum over it: what
 * is in between is neither written nor launched, and what nobody reads is never computed. A recipe that two launches
 * use is computed twice; it is short, and reads little more than its result would be.
 */
import type { Value } from './value.ts';

/** How to compute an element. */
export interface Recipe {
  /** What is read; each is in memory or on its way there. */
  readonly inputs: readonly Value[];
  readonly numbers: readonly number[];
  /** Two recipes of the same key differ in nothing but inputs and numbers. */
  readonly key: string;
  /** How many functions are applied. */
  readonly length: number;
  /** The expression of the element at a place, an integer expression. */
  readonly element: Writer;
}

/**
 * Gives an expression; `names` holds one of each input and number; `declare` writes a variable for an expression before
 * it, and gives its name.
 */
type Writer = (
  place: string,
  names: { readonly inputs: readonly string[]; readonly numbers: readonly string[] },
  declare: (expression: string) => string,
) => string;

/** What a function makes of an element of each operand, numbers, and the place of the result. */
export type Expression = (operands: readonly string[], numbers: readonly string[], place: string) => string;

/** An operand of a function, and where the element is that belongs to a place of the result. */
export interface Operand {
  readonly recipe: Recipe;
  readonly placeOf?: (place: string) => string;
}

/** Longer recipes, and those that read more, are computed first. */
const LONGEST_RECIPE = 12;
const MOST_INPUTS = 7;

/** What is in memory, as it is. */
export function inMemory(value: Value): Recipe {
  return {
    inputs: [value],
    numbers: [],
    key: 'x',
    length: 0,
    element: (place, { inputs: [name] }) => `${name!}[${place}]`,
  };
}

/**
 * A function of operands and numbers; null when it would be too long. `key` names the function and where its operands
 * are.
 */
export function apply(
  key: string,
  operands: readonly Operand[],
  numbers: readonly number[],
  expression: Expression,
): Recipe | null {
  const inputs = [...new Set(operands.flatMap(({ recipe }) => recipe.inputs))];
  const length = operands.reduce((sum, { recipe }) => sum + recipe.length, 1);
  if (length > LONGEST_RECIPE || inputs.length > MOST_INPUTS) return null;
  const places = operands.map(({ recipe }) => recipe.inputs.map((input) => inputs.indexOf(input)));
  return {
    inputs,
    numbers: [...operands.flatMap(({ recipe }) => recipe.numbers), ...numbers],
    key: `${key}(${operands.map(({ recipe }, i) => `${recipe.key} ${places[i]!.join()}`).join('; ')})`,
    length,
    element: (place, names, declare) => {
      let used = 0;
      const texts = operands.map(({ recipe, placeOf = (same) => same }, i) => {
        const own = {
          inputs: places[i]!.map((input) => names.inputs[input]!),
          numbers: names.numbers.slice(used, used + recipe.numbers.length),
        };
        used += recipe.numbers.length;
        return declare(recipe.element(placeOf(place), own, declare));
      });
      // Rounded as if it had been written: gpu.js's cpu mode computes in float64.
      return `Math.fround(${expression(texts, names.numbers.slice(used), place)})`;
    },
  };
}

/** Arguments of a kernel that computes a recipe, by their names in it. */
export interface RecipeArguments {
  readonly buffers: Readonly<Record<string, Value>>;
  readonly numbers: Readonly<Record<string, number>>;
  /** As in the recipe. */
  readonly element: (place: string, declare: (expression: string) => string) => string;
}

/** @param prefix what the names begin with, where a kernel computes several */
export function argumentsOf({ inputs, numbers, element }: Recipe, prefix = ''): RecipeArguments {
  const names = { inputs: inputs.map((_, i) => `${prefix}in${i}`), numbers: numbers.map((_, i) => `${prefix}by${i}`) };
  return {
    buffers: Object.fromEntries(inputs.map((input, i) => [names.inputs[i]!, input])),
    numbers: Object.fromEntries(numbers.map((number, i) => [names.numbers[i]!, number])),
    element: (place, declare) => element(place, names, declare),
  };
}

/** Whether nothing but sums of elements of one place is computed: as cheap to do again as to read. */
export function isSum({ key }: Recipe): boolean {
  return !/[a-z]/.test(key.replaceAll(/\badd all all\b|\bx\b/g, ''));
}

/** Collects declarations; the names of their variables begin with `prefix`. */
export function declarations(prefix: string): { readonly lines: string[]; readonly declare: (text: string) => string } {
  const lines: string[] = [];
  return {
    lines,
    declare: (expression) => {
      const name = `${prefix}${lines.length}`;
      lines.push(`const ${name} = ${expression};`);
      return name;
    },
  };
}

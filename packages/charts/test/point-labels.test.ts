/** Names beside points, where they really are. */
import { balanceMeasures } from '@lpr/metrics';
import type { EChartsOption } from 'echarts';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import {
  lossBalance,
  lossBalanceSize,
  type Size,
  specialisationBalance,
  specialisationBalanceSize,
} from '../src/index.ts';
import { renderPng } from '../src/node.ts';
import { misplaced, type TextBox, textBoxes } from './geometry.ts';
import { generator, list } from './samples/sample.ts';

// Drawing takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

// Registers the font.
beforeAll(() => renderPng({}, { width: 1, height: 1 }));

interface Scatter {
  readonly type: string;
  readonly data: readonly { readonly value: readonly [number, number]; readonly label?: Label }[];
}

interface Label {
  readonly show: boolean;
  readonly formatter: string;
}

interface Axis {
  readonly min: number;
  readonly max: number;
}

interface Shown {
  readonly box: TextBox;
  /** CSS pixels from its nearest edge to the middle of points. */
  readonly toOwn: number;
  readonly toOthers: number;
}

interface Parts {
  readonly grid: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  readonly xAxis: readonly [Axis];
  readonly yAxis: readonly [Axis];
  readonly series: readonly Scatter[];
}

/** Where something on the axes lies in the picture. */
function placesIn(option: EChartsOption): (at: readonly [number, number]) => readonly [number, number] {
  const { grid, xAxis, yAxis } = option as unknown as Parts;
  const along = ({ min, max }: Axis, value: number): number => (value - min) / (max - min);
  return ([x, y]) => [grid.left + grid.width * along(xAxis[0], x), grid.top + grid.height * (1 - along(yAxis[0], y))];
}

/** The names beside the points of a figure, and how far they are from those. */
function shownIn(option: EChartsOption, size: Size): Shown[] {
  const { grid, series } = option as unknown as Parts;
  const points = series.flatMap(({ type, data }) => (type === 'scatter' ? data : []));
  const placeOf = placesIn(option);
  const places = points.map(({ value }) => placeOf(value));
  const boxes = textBoxes(option, size);
  expect(misplaced(boxes, size)).toEqual([]);
  return points.flatMap(({ label }, at) => {
    if (label?.show !== true) return [];
    // Below the axes the legend says the same.
    const box = boxes.find(({ text, y }) => text === label.formatter && y < grid.top + grid.height)!;
    const distances = places.map(([x, y]) =>
      Math.hypot(Math.max(box.x - x, 0, x - box.x - box.width), Math.max(box.y - y, 0, y - box.y - box.height)),
    );
    return [{ box, toOwn: distances[at]!, toOthers: Math.min(Infinity, ...distances.filter((_, i) => i !== at)) }];
  });
}

function runsOf(count: number) {
  const random = generator(count);
  return list(count, (i) => {
    const [quality, end] = [random(), 0.3 + 0.6 * random()];
    return {
      name: `Qwen3-MoE-LPR, learningRate ${((i + 1) / 1000).toFixed(3)}`,
      ...{ loss: 3 + quality + 0.3 * random(), balance: 0.6 * (1 - quality) + 0.3 * random() },
      points: list(3, (step) => ({ step, gini: 1 - (end * (step + 1)) / 3, information: (quality * (step + 1)) / 3 })),
    };
  });
}

describe.each([1, 3, 16, 40])('the names of %d runs', (count) => {
  const runs = runsOf(count);
  it.each([
    ['loss against balance', 1],
    ['specialisation against balance', 2],
  ])('in %s lie beside their own point and clear of all others', (figure, fewest) => {
    const input = { runs, measure: balanceMeasures[0]! };
    const shown =
      figure === 'loss against balance'
        ? shownIn(lossBalance(input), lossBalanceSize(input))
        : shownIn(specialisationBalance({ runs }), specialisationBalanceSize({ runs }));
    for (const { toOwn, toOthers } of shown) {
      expect(toOwn).toBeLessThan(13);
      // From its middle; the largest have a radius of 4.5.
      expect(toOthers).toBeGreaterThan(7);
    }
    if (count >= fewest) expect(shown.length).toBeGreaterThan(0);
  });
});

it('names of the front stand on no line of it', () => {
  // To the left of the first ones there is no room for their names; to the right the front goes on.
  const runs = list(6, (i) => ({ name: `a name of some length, number ${i}`, loss: 4 - i / 4, balance: 0.1 + i / 10 }));
  const input = { runs, measure: balanceMeasures[0]! };
  const option = lossBalance(input);
  const shown = shownIn(option, lossBalanceSize(input));
  expect(shown.length).toBeGreaterThan(3);
  const corners = runs.flatMap(({ loss, balance }, i) => [
    ...(i === 0 ? [] : [[balance, runs[i - 1]!.loss] as const]),
    [balance, loss] as const,
  ]);
  const places = corners.map((corner) => placesIn(option)(corner));
  for (const { box } of shown) {
    for (const [i, [x, y]] of places.slice(1).entries()) {
      const [fromX, fromY] = places[i]!;
      const isBeside = Math.max(x, fromX) < box.x || Math.min(x, fromX) > box.x + box.width;
      const isAbove = Math.max(y, fromY) < box.y || Math.min(y, fromY) > box.y + box.height;
      expect(isBeside || isAbove, box.text).toBe(true);
    }
  }
});

it('runs whose names differ in the middle are told apart at the ends of their paths', () => {
  const start = 'Qwen3-MoE-LPR with a setting that takes more room than there is, learningRate';
  const runs = list(3, (i) => ({
    name: `${start} 0.00${i}`,
    points: [{ step: 1, gini: 0.2 + 0.3 * i, information: i }],
  }));
  const texts = shownIn(specialisationBalance({ runs }), specialisationBalanceSize({ runs })).map(
    ({ box }) => box.text,
  );
  expect(texts).toHaveLength(3);
  for (const [i, text] of texts.entries()) expect(text).toMatch(new RegExp(`^Qwen3-MoE.*….*0\\.00${i}$`));
});

describe('a name beside the line of a level', () => {
  const shownBeside = (levels: readonly number[]) => {
    const runs = [
      { name: 'to its left', points: [{ step: 1, gini: 0.5, information: 1 }] },
      { name: 'to its right', points: [{ step: 1, gini: 0, information: 1 }] },
      { name: 'beside a level', points: [{ step: 1, gini: 0.2, information: 0.5 }] },
    ];
    const input = {
      runs,
      levels: levels.map((mean, i) => ({ name: `level ${i}`, range: { mean, low: mean, high: mean } })),
    };
    const option = specialisationBalance(input);
    const shown = shownIn(option, specialisationBalanceSize(input));
    const lines = levels.map((mean) => placesIn(option)([1 - mean, 0])[0]);
    return { box: shown.find(({ box }) => box.text === 'beside a level')!.box, lines };
  };

  it('is on its other side', () => {
    const alone = shownBeside([]).box;
    const { box, lines } = shownBeside([0.22]);
    expect(alone.x).toBeLessThan(lines[0]!);
    expect(alone.x + alone.width).toBeGreaterThan(lines[0]!);
    expect(box.x).toBeGreaterThan(lines[0]!);
  });

  it('crosses it where there is no other room', () => {
    const { box, lines } = shownBeside([0.17, 0.19, 0.21, 0.23]);
    expect(lines.some((x) => x > box.x && x < box.x + box.width)).toBe(true);
  });
});

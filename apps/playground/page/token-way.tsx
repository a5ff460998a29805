/** The way of a token through the layers of a model: its experts and their weights. */
import { shownToken } from '@lpr/dashboard/page/parts';
import type { JSX } from 'preact';
import type { Look } from '../src/training.ts';
import { hueOf } from './colours.ts';
import { LEFT } from './heatmap.tsx';
import { spread } from './spread.ts';

interface Choice {
  readonly expert: number;
  readonly weight: number;
}

/** Of a token in each layer, without slots that hold none. */
export function choicesOf({ layers }: Look, token: number, experts: number): Choice[][] {
  return layers.map(({ experts: chosen, weights, tokens }) => {
    const slots = (2 * chosen.length) / tokens.length;
    return Array.from({ length: slots }, (_, slot) => ({
      expert: chosen[token * slots + slot]!,
      weight: weights[token * slots + slot]!,
    })).filter(({ expert }) => expert < experts);
  });
}

/** Units of the drawing, which is stretched to its place. */
const [WIDTH, ROW, TOP] = [440, 46, 30];
/** That a number of two digits needs. */
const NUMBER = 16;

export function TokenWay({
  look,
  token,
  experts,
  name,
}: {
  look: Look;
  token: number;
  experts: number;
  name: string;
}): JSX.Element {
  const choices = choicesOf(look, token, experts);
  const x = (expert: number): number => LEFT + ((expert + 0.5) / experts) * (WIDTH - LEFT);
  const y = (layer: number): number => TOP + 22 + layer * ROW;
  const height = y(choices.length - 1) + 18;
  const start: Choice & { readonly x: number } = { expert: -1, weight: 1, x: (WIDTH + LEFT) / 2 };
  return (
    <>
      <svg class="way" viewBox={`0 0 ${WIDTH} ${height}`} aria-hidden="true">
        {choices.map((chosen, layer) =>
          chosen.flatMap(({ expert, weight }) =>
            (layer === 0 ? [start] : choices[layer - 1]!.map((each) => ({ ...each, x: x(each.expert) }))).map(
              (before) => {
                const [fromX, fromY] = [before.x, layer === 0 ? TOP - 8 : y(layer - 1)];
                const middle = (fromY + y(layer)) / 2;
                return (
                  <path
                    key={`${layer} ${before.expert} ${expert}`}
                    d={`M${fromX},${fromY} C${fromX},${middle} ${x(expert)},${middle} ${x(expert)},${y(layer)}`}
                    style={{ '--hue': String(hueOf(expert)) }}
                    stroke-width={Math.max(0.75, 9 * weight * before.weight)}
                  />
                );
              },
            ),
          ),
        )}
        <text x={start.x} y={TOP - 14} class="word">
          {shownToken(look.sample[token]).trim() || '·'}
        </text>
        {choices.map((chosen, layer) => (
          <g key={layer}>
            <text x={6} y={y(layer) + 4}>
              {layer}
            </text>
            {Array.from({ length: experts }, (_, expert) => {
              const weight = chosen.find((each) => each.expert === expert)?.weight ?? 0;
              return (
                <circle
                  key={expert}
                  cx={x(expert)}
                  cy={y(layer)}
                  r={weight === 0 ? Math.min(3, 90 / experts) : 5 + 7 * Math.sqrt(Math.min(1, weight))}
                  class={weight === 0 ? 'passed' : 'taken'}
                  style={{ '--hue': String(hueOf(expert)) }}
                />
              );
            })}
            <Numbers experts={chosen.map(({ expert }) => expert)} x={x} y={y(layer)} />
          </g>
        ))}
      </svg>
      <table class="experts" aria-label={`${name}: experts of the token by layer`}>
        <thead class="unseen">
          <tr>
            <th scope="col">Layer</th>
            <th scope="col">Experts and their weights</th>
          </tr>
        </thead>
        <tbody>
          {choices.map((chosen, layer) => (
            <tr key={layer}>
              <th scope="row">{layer}</th>
              <td class="text">
                {chosen.map(({ expert, weight }) => (
                  <span key={expert} class="expert" style={{ '--hue': String(hueOf(expert)) }}>
                    <b>{expert}</b>
                    <span class="bar">
                      <span style={{ width: `${Math.min(100, Math.max(0, weight * 100))}%` }} />
                    </span>
                    {weight.toFixed(2)}
                  </span>
                ))}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** In their discs, or where these lie too close, beside each other above them. */
function Numbers({
  experts,
  x,
  y,
}: {
  experts: readonly number[];
  x: (expert: number) => number;
  y: number;
}): JSX.Element {
  const ordered = experts.toSorted((a, b) => a - b);
  const places = ordered.map(x);
  const areClose = places.some((place, i) => i > 0 && place - places[i - 1]! < NUMBER);
  const shown = areClose ? spread(places, NUMBER, [LEFT, WIDTH - NUMBER / 2]) : places;
  return (
    <>
      {ordered.map((expert, i) => (
        <text key={expert} x={shown[i]} y={areClose ? y - 14 : y + 4} class={areClose ? 'number above' : 'number'}>
          {expert}
        </text>
      ))}
    </>
  );
}

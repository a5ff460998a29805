/** How a figure of lines is looked at: its axes, a part of them, smoothed lines. Kept in the address. */
import type { LineView, XAxisKind } from '@lpr/charts';
import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';
import { useParameter } from './navigation.tsx';

const AXIS_NAMES: Readonly<Record<XAxisKind, string>> = { step: 'steps', tokens: 'tokens', minutes: 'minutes' };

/** A view as words of the address: "x-tokens log-y from-100 to-200 smooth-5". */
export function viewText({ x, range, logX, logY, smoothing }: LineView): string {
  return [
    ...(x === undefined || x === 'step' ? [] : [`x-${x}`]),
    ...(range === undefined ? [] : [`from-${range[0]}`, `to-${range[1]}`]),
    ...(logX === true ? ['log-x'] : []),
    ...(logY === true ? ['log-y'] : []),
    ...(smoothing === undefined ? [] : [`smooth-${smoothing}`]),
  ].join(' ');
}

/** What the words say; those that say nothing are left out. */
export function viewOf(text: string): LineView {
  const words = text.split(' ');
  const number = (name: string): number | null => {
    const word = words.find((each) => each.startsWith(`${name}-`));
    const value = word === undefined ? Number.NaN : Number(word.slice(name.length + 1));
    return Number.isFinite(value) ? value : null;
  };
  const [from, to, smoothing] = [number('from'), number('to'), number('smooth')];
  return {
    ...(words.includes('x-tokens') && { x: 'tokens' as const }),
    ...(words.includes('x-minutes') && { x: 'minutes' as const }),
    ...(from !== null && to !== null && from < to && { range: [from, to] as const }),
    ...(words.includes('log-x') && { logX: true }),
    ...(words.includes('log-y') && { logY: true }),
    ...(smoothing !== null && { smoothing: Math.min(MOST_SMOOTHING, Math.max(0, smoothing)) }),
  };
}

const MOST_SMOOTHING = 50;

/** The view of figures of one kind, and what gives them another. */
export function useView(kind: string): [LineView, (view: LineView) => void] {
  const [text, set] = useParameter(`view-${kind}`, '');
  return [useMemo(() => viewOf(text), [text]), (view) => set(viewText(view))];
}

/** The view of all of the axis. */
export function wholeAxis(view: LineView): LineView {
  const { range: _, ...whole } = view;
  return whole;
}

interface Props {
  readonly axes: readonly XAxisKind[];
  readonly view: LineView;
  readonly change: (view: LineView) => void;
}

export function Axes({ axes, view, change }: Props): JSX.Element {
  const { x = axes[0]!, range, logX = false, logY = false, smoothing } = view;
  const whole = wholeAxis(view);
  const end = (place: 0 | 1, value: number): void => {
    const next: [number, number] = [range?.[0] ?? 0, range?.[1] ?? Number.MAX_SAFE_INTEGER];
    next[place] = value;
    if (Number.isFinite(value) && next[0] < next[1]) change({ ...whole, range: next });
  };
  const shownEnd = (place: 0 | 1): number | '' =>
    range === undefined || range[place] === Number.MAX_SAFE_INTEGER ? '' : Number(range[place].toPrecision(6));
  return (
    <details class="axes">
      <summary>Axes{range !== undefined && ', a part of them'}</summary>
      <div class="controls">
        {axes.length > 1 && (
          <label>
            <span class="soft">Across</span>{' '}
            <select
              value={x}
              // Another axis has other numbers.
              onChange={({ currentTarget }) => change({ ...whole, x: currentTarget.value as XAxisKind })}
            >
              {axes.map((axis) => (
                <option key={axis} value={axis}>
                  {AXIS_NAMES[axis]}
                </option>
              ))}
            </select>
          </label>
        )}
        <label>
          <input
            type="checkbox"
            checked={logX}
            onChange={({ currentTarget }) => change({ ...view, logX: currentTarget.checked })}
          />{' '}
          log across
        </label>
        <label>
          <input
            type="checkbox"
            checked={logY}
            onChange={({ currentTarget }) => change({ ...view, logY: currentTarget.checked })}
          />{' '}
          log upwards
        </label>
        <label>
          <span class="soft">Smoothing</span>{' '}
          <input
            type="range"
            min={0}
            max={MOST_SMOOTHING}
            value={smoothing ?? 0}
            aria-valuetext={smoothing === undefined ? 'as the figure likes' : `${smoothing} per cent of the points`}
            onInput={({ currentTarget }) => change({ ...view, smoothing: Number(currentTarget.value) })}
          />
        </label>
        {([0, 1] as const).map((place) => (
          <label key={place}>
            <span class="soft">{place === 0 ? 'From' : 'To'}</span>{' '}
            <input
              type="number"
              min={0}
              value={shownEnd(place)}
              onChange={({ currentTarget }) => end(place, currentTarget.valueAsNumber)}
            />
          </label>
        ))}
        <button type="button" disabled={range === undefined} onClick={() => change(whole)}>
          Whole axis
        </button>
      </div>
    </details>
  );
}

/** Small pieces that several pages show. */
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { RunSummary } from '../src/api.ts';

export function Status({ run }: { run: RunSummary }): JSX.Element {
  const state = run.problems.length > 0 ? 'problem' : run.read ? run.status : 'reading';
  return <span class={`status is-${state}`}>{state}</span>;
}

/** Tags of a run, each of which finds those that have it; the first ones where there is little room. */
export function Tags({
  tags,
  find,
  most = Infinity,
}: {
  tags: readonly string[];
  find: (tag: string) => void;
  most?: number;
}): JSX.Element {
  const rest = tags.slice(most);
  return (
    <span class="tags">
      {tags.slice(0, most).map((tag) => (
        <button key={tag} type="button" class="tag" onClick={() => find(tag)} aria-label={`Runs with the tag ${tag}`}>
          {tag}
        </button>
      ))}
      {rest.length > 0 && (
        <span class="soft line" title={rest.join(', ')}>
          and {rest.length} more
        </span>
      )}
    </span>
  );
}

/** Tags of a run that are shown beside other runs. */
export const FEW_TAGS = 4;

/** A token as it can be seen: lines too. A space that opens it is part of it. */
export function shownToken(text: string | undefined): string {
  return (text ?? '').replaceAll('\n', '↵') || '·';
}

interface TokenButtonsProps {
  /** The hue, in degrees, is that of the expert; null where a token reached none. */
  readonly tokens: readonly { readonly text: string; readonly hue: number; readonly expert: number | null }[];
  /** The one that is chosen. */
  readonly at: number;
  readonly label: string;
  readonly choose: (token: number) => void;
}

/** Tokens of a text with their experts, one of which is chosen; arrow keys, Home and End move between them. */
export function TokenButtons({ tokens, at, label, choose }: TokenButtonsProps): JSX.Element {
  const list = useRef<HTMLDivElement>(null);
  const move = (event: KeyboardEvent): void => {
    const steps: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, Home: -tokens.length, End: tokens.length };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.max(0, Math.min(tokens.length - 1, at + step));
    choose(next);
    list.current?.querySelectorAll<HTMLElement>('button')[next]?.focus();
  };
  return (
    <div
      class="tokens"
      ref={list}
      onKeyDown={move}
      role="toolbar"
      aria-label={`${label}; arrow keys move between them`}
    >
      {tokens.map(({ text, hue, expert }, i) => (
        <button
          key={i}
          type="button"
          class="token"
          tabIndex={i === at ? 0 : -1}
          aria-pressed={i === at}
          style={{ '--hue': String(hue) }}
          onClick={() => choose(i)}
        >
          {shownToken(text)}
          <span class="unseen">, expert </span>
          <sub>{expert ?? '–'}</sub>
        </button>
      ))}
    </div>
  );
}

/** A line without axes: the course of a figure. `floor` is a value that its bottom stands for. */
export function Sparkline({
  values,
  label,
  floor,
}: {
  values: readonly number[];
  label: string;
  floor?: number;
}): JSX.Element {
  const [width, height] = [120, 32];
  const low = Math.min(...values, floor ?? Infinity);
  const high = Math.max(...values, floor ?? -Infinity);
  const points = values.map((value, i) => {
    const x = values.length === 1 ? width / 2 : (i / (values.length - 1)) * width;
    const y = high === low ? height / 2 : 2 + (1 - (value - low) / (high - low)) * (height - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg class="sparkline" viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="none" role="img" aria-label={label}>
      <title>{label}</title>
      {values.length > 1 && <polyline points={points.join(' ')} vector-effect="non-scaling-stroke" />}
    </svg>
  );
}

/** Named figures, side by side. */
export function Tiles({ tiles }: { tiles: readonly { name: string; value: string; note?: string }[] }): JSX.Element {
  return (
    <dl class="tiles">
      {tiles.map(({ name, value, note }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd class="soft note">{note ?? '\u00a0'}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Problems({ problems }: { problems: readonly string[] }): JSX.Element | null {
  if (problems.length === 0) return null;
  return (
    <ul class="problems" role="alert">
      {problems.map((problem) => (
        <li key={problem} class="problem">
          {problem}
        </li>
      ))}
    </ul>
  );
}

/** The head of a table; columns of words, not numbers, stand in `words`. */
export function Head({ names, words = [] }: { names: readonly string[]; words?: readonly string[] }): JSX.Element {
  return (
    <thead>
      <tr>
        {names.map((name) => (
          <th key={name} scope="col" class={words.includes(name) ? 'text' : ''}>
            {name}
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** Chooses one of `count` things that are numbered from 0. */
export function NumberChoice({
  name,
  count,
  value,
  onChange,
}: {
  name: string;
  count: number;
  value: number;
  onChange: (value: number) => void;
}): JSX.Element {
  return (
    <label>
      {name}{' '}
      <select aria-label={name} value={value} onChange={({ currentTarget }) => onChange(Number(currentTarget.value))}>
        {Array.from({ length: count }, (_, i) => (
          <option key={i} value={i}>
            {i}
          </option>
        ))}
      </select>
    </label>
  );
}

/**
 * The legend of several runs: what has a colour in all figures, what is grey, what is left out. Kept in the address.
 */
import { colourOfLook, MOST_COLOURS } from '@lpr/charts';
import { differingSettings, entriesOf, type RunParts, settingEntries, settingNames, withLooks } from '@lpr/report';
import type { JSX } from 'preact';
import { useMemo, useState } from 'preact/hooks';
import type { RunDetails } from '../src/api.ts';
import { useTheme } from './figure.tsx';
import { useParameter, useParameters } from './navigation.tsx';

interface Entry {
  readonly name: string;
  readonly runs: number;
  /** Place of its colour; null where it is grey. */
  readonly colour: number | null;
}

export interface KeyState {
  readonly entries: readonly Entry[];
  /** The runs with their looks, without those that are hidden. */
  readonly shown: readonly RunParts[];
  /** Settings that colours may stand for. */
  readonly paths: readonly string[];
  readonly colourBy: string;
  readonly setColourBy: (path: string) => void;
  readonly isOnly: boolean;
  readonly setOnly: (only: boolean) => void;
  readonly toggle: (name: string) => void;
}

/** @param runs with the details of each, in the same order */
export function useKey(runs: readonly RunParts[], details: readonly RunDetails[]): KeyState {
  const [colourBy, setColourBy] = useParameter('colour', '');
  const [picked, pick] = useParameters('pick');
  const [only, setOnly] = useParameter('only', '');
  const paths = differingSettings(details.map(({ settings }) => new Map(settings)));
  const { looks, entries, chosen } = useMemo(() => {
    const settings = settingNames(
      details.map(({ summary: { id, name }, settings: own }) => ({ name, path: id, settings: new Map(own) })),
    );
    const grouped = runs.map((run, i): RunParts => {
      const setting = settings[i];
      return { ...run, ...(setting !== undefined && { setting }) };
    });
    const values =
      colourBy === ''
        ? undefined
        : settingEntries(
            details.map((each) => new Map(each.settings)),
            colourBy,
          );
    const names = entriesOf(grouped, values);
    const all = [...new Set(names)];
    // Names that were picked of other runs have no colour to keep.
    const kept = picked.slice(0, MOST_COLOURS).map((name) => (all.includes(name) ? name : ''));
    const isPicked = picked.some((name) => name === '' || all.includes(name));
    const colours = isPicked ? kept : all.slice(0, MOST_COLOURS);
    const place = (name: string): number | null => (colours.includes(name) ? colours.indexOf(name) : null);
    return {
      looks: withLooks(grouped, { ...(values && { entries: values }), chosen: colours }),
      entries: all.map((name) => ({
        ...{ name, colour: place(name) },
        runs: names.filter((other) => other === name).length,
      })),
      chosen: colours,
    };
  }, [runs, details, colourBy, picked.join('\n')]);
  const coloured = looks.filter(({ look }) => look?.colour !== null);
  return {
    entries,
    paths,
    shown: useMemo(() => (only !== '' && coloured.length > 0 ? coloured : looks), [looks, only]),
    colourBy,
    setColourBy(path) {
      // What was picked are names of something else.
      pick([]);
      setColourBy(path);
    },
    isOnly: only !== '',
    setOnly: (is) => setOnly(is ? '1' : ''),
    toggle(name) {
      const place = chosen.indexOf(name);
      // The others keep their colours.
      if (place >= 0) return pick(chosen.map((other) => (other === name ? '' : other)));
      const free = chosen.indexOf('');
      pick(free < 0 ? [...chosen, name] : chosen.map((other, i) => (i === free ? name : other)));
    },
  };
}

/** More entries than these are searched in. */
const FEW = 12;

export function Key({ state }: { state: KeyState }): JSX.Element {
  const { entries, paths, colourBy, isOnly } = state;
  const theme = useTheme();
  const [filter, setFilter] = useState('');
  const coloured = entries.filter(({ colour }) => colour !== null).length;
  const isFull = coloured >= MOST_COLOURS;
  const found = entries.filter(({ name }) => name.toLowerCase().includes(filter.toLowerCase()));
  return (
    <section class="panel key" aria-label="Legend">
      <div class="controls">
        <label>
          <span class="soft">Colours stand for</span>{' '}
          <select value={colourBy} onChange={({ currentTarget }) => state.setColourBy(currentTarget.value)}>
            <option value="">what differs</option>
            {paths.map((path) => (
              <option key={path}>{path}</option>
            ))}
          </select>
        </label>
        {entries.length > FEW && (
          <label>
            <span class="soft">Find</span>{' '}
            <input type="search" value={filter} onInput={({ currentTarget }) => setFilter(currentTarget.value)} />
          </label>
        )}
        {coloured < entries.length && (
          <label>
            <input
              type="checkbox"
              checked={isOnly}
              onChange={({ currentTarget }) => state.setOnly(currentTarget.checked)}
            />{' '}
            only those with a colour
          </label>
        )}
      </div>
      <ul class="chips">
        {found.map(({ name, runs, colour }) => (
          <li key={name}>
            <button
              type="button"
              class="chip"
              aria-pressed={colour !== null}
              disabled={colour === null && isFull}
              onClick={() => state.toggle(name)}
            >
              <span class="swatch" aria-hidden="true" style={{ background: colourOfLook(colour, theme) }} />
              {name}
              {runs > 1 && <span class="soft"> {runs} runs</span>}
            </button>
          </li>
        ))}
      </ul>
      {entries.length > MOST_COLOURS && (
        <p class="soft hint">
          {MOST_COLOURS} at most have a colour, the rest is grey{isFull ? ': free one to choose another' : ''}.
        </p>
      )}
    </section>
  );
}

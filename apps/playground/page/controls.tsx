/** What can be changed, each of it from the keyboard too. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { choicesOf, type ChoiceField, type NumberField, seedOf, type Settings } from '../src/settings.ts';
import { architectureName } from './names.ts';

/** As in style.css. */
const WIDE = '(min-width: 901px)';

interface Props {
  readonly settings: Settings;
  readonly hasGpu: boolean;
  readonly onChange: (changes: Partial<Settings>) => void;
}

export function Controls({ settings, hasGpu, onChange }: Props): JSX.Element {
  const { architecture, routers, experts } = settings;
  // On a phone the models come first, on a desktop there is room for both.
  const [open] = useState(() => matchMedia(WIDE).matches);
  const number = (field: NumberField) => ({ field, settings, onChange });
  return (
    <details class="panel settings" open={open}>
      <summary>
        <h2>Settings</h2>
      </summary>
      <form aria-label="Settings" onSubmit={(event) => event.preventDefault()}>
        <Group name="Models">
          <Choice
            field="routers"
            name="Train"
            settings={settings}
            onChange={onChange}
            nameOf={(value) =>
              value === 'both' ? 'both routers' : value === 'lpr' ? 'LPR' : `${architectureName(architecture)}’s own`
            }
          />
          <Choice
            field="architecture"
            name="Architecture"
            settings={settings}
            onChange={onChange}
            nameOf={(value) => architectureName(value as Settings['architecture'])}
          />
          <Choice {...number('layers')} name="Layers" />
          <Choice {...number('experts')} name="Experts" />
          <Choice {...number('topK')} name="Top-k" fits={(value) => Number(value) <= experts} />
        </Group>
        {routers !== 'own' && (
          <Group name="LPR">
            <Slider
              {...number('temperature')}
              name="Temperature"
              hint="higher: the best expert gets more of the weight"
            />
            <Slider {...number('biasRate')} name="Selection bias" hint="how fast busy experts are passed over" />
            <Slider {...number('diversity')} name="Diversity" hint="how strongly the latent space is spread out" />
          </Group>
        )}
        {routers !== 'lpr' && (
          <Group name="Own router">
            <Slider {...number('auxiliaryLoss')} name="Balance loss" hint="weight of its auxiliary loss" />
          </Group>
        )}
        <Group name="Training">
          <Choice {...number('learningRate')} name="Learning rate" />
          <Seed seed={settings.seed} onChange={onChange} />
          {(hasGpu || settings.device === 'gpu') && (
            <Choice
              field="device"
              name="Compute on"
              settings={settings}
              onChange={onChange}
              nameOf={(value) => (value === 'gpu' ? 'GPU (WebGPU)' : 'CPU')}
            />
          )}
        </Group>
        <p class="hint">Each change starts both models anew, from the same weights.</p>
      </form>
    </details>
  );
}

/** Taken when it is left: each number on the way to it would start the models anew. */
function Seed({ seed, onChange }: { seed: number; onChange: Props['onChange'] }): JSX.Element {
  // Pictures are drawn while it is typed, and must not put the old one back.
  const [draft, setDraft] = useState<string | null>(null);
  return (
    <label>
      Seed
      <input
        type="number"
        min={0}
        step={1}
        value={draft ?? seed}
        onInput={({ currentTarget }) => setDraft(currentTarget.value)}
        onChange={({ currentTarget }) => {
          setDraft(null);
          onChange({ seed: seedOf(currentTarget.value) });
        }}
      />
    </label>
  );
}

function Group({ name, children }: { name: string; children: ComponentChildren }): JSX.Element {
  return (
    <fieldset>
      <legend>{name}</legend>
      {children}
    </fieldset>
  );
}

interface FieldProps<Field extends ChoiceField> {
  readonly field: Field;
  readonly name: string;
  readonly settings: Settings;
  readonly onChange: (changes: Partial<Settings>) => void;
}

function Choice({
  field,
  name,
  settings,
  onChange,
  nameOf = String,
  fits = () => true,
}: FieldProps<ChoiceField> & {
  readonly nameOf?: (value: string | number) => string;
  readonly fits?: (value: string | number) => boolean;
}): JSX.Element {
  const choices: readonly (string | number)[] = choicesOf(field);
  return (
    <label>
      {name}
      <select
        aria-label={name}
        value={String(settings[field])}
        onChange={({ currentTarget }) => onChange({ [field]: choices[currentTarget.selectedIndex] })}
      >
        {choices.map((value) => (
          <option key={value} value={String(value)} disabled={!fits(value)}>
            {nameOf(value)}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Of the few values that a number can take; it moves to the next one. */
function Slider({
  field,
  name,
  hint,
  settings,
  onChange,
}: FieldProps<NumberField> & { readonly hint: string }): JSX.Element {
  const choices: readonly number[] = choicesOf(field);
  const value = settings[field];
  return (
    <label class="slides">
      <span>{name}</span>
      <output>{value}</output>
      <input
        type="range"
        min={0}
        max={choices.length - 1}
        step={1}
        value={choices.indexOf(value)}
        aria-label={name}
        aria-valuetext={String(value)}
        aria-description={hint}
        onInput={({ currentTarget }) => onChange({ [field]: choices[Number(currentTarget.value)] })}
      />
      <small class="soft">{hint}</small>
    </label>
  );
}

/** The sample: its tokens, one of which is followed through both models. */
import { TokenButtons } from '@lpr/dashboard/page/parts';
import type { JSX } from 'preact';
import { MOST_SAMPLE, type Settings, type View } from '../src/settings.ts';
import type { SideState } from '../src/playground.ts';
import { hueOf } from './colours.ts';
import { sideName } from './names.ts';
import { choicesOf, TokenWay } from './token-way.tsx';

interface Props {
  readonly sides: readonly SideState[];
  readonly settings: Settings;
  readonly view: View;
  readonly onView: (changes: Partial<View>) => void;
}

export function Sample({ sides, settings, view, onView }: Props): JSX.Element {
  const [first] = sides;
  const tokens = first?.look.sample ?? [];
  const at = Math.min(view.token, tokens.length - 1);
  const expertOf = ({ look }: SideState, token: number): number | undefined =>
    choicesOf(look, token, settings.experts)[view.layer]?.[0]?.expert;
  return (
    <section class="panel">
      <h2>The way of a token</h2>
      <label class="block">
        A sentence to follow
        <input
          type="text"
          class="sentence"
          maxLength={MOST_SAMPLE}
          value={view.sample}
          onInput={({ currentTarget }) => onView({ sample: currentTarget.value })}
        />
      </label>
      <p class="hint">
        The text is cut into the pieces that the models read. Choose one; its colour is that of its first expert in
        layer {view.layer}
        {sides.length > 1 && ', by LPR'}.
      </p>
      <TokenButtons
        tokens={tokens.map((text, i) => {
          const expert = expertOf(first!, i) ?? null;
          return { text, hue: hueOf(expert ?? 0), expert };
        })}
        at={at}
        label="Tokens"
        choose={(token) => onView({ token })}
      />
      {(first?.look.cut ?? 0) > 0 && (
        <p class="hint">
          The models see {tokens.length} tokens at a time; the last {first!.look.cut} of the sentence are left out.
        </p>
      )}
      {at >= 0 && (
        <div class="sides">
          {sides.map(({ side, look }) => (
            <div key={side}>
              <h3>{sideName(side, settings)}</h3>
              <TokenWay
                look={look}
                token={Math.min(at, look.sample.length - 1)}
                experts={settings.experts}
                name={sideName(side, settings)}
              />
            </div>
          ))}
        </div>
      )}
    </section>
  );
}

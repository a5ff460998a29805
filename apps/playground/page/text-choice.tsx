/** The text that the models learn from. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { LEAST_TEXT, textProblem } from '../src/corpus-limits.ts';

interface Props {
  /** The reader's; null: the addresses. */
  readonly own: string | null;
  /** Whether the address asks for a text that is not here. */
  readonly missing: boolean;
  readonly onText: (own: string | null) => void;
}

export function TextChoice({ own, missing, onText }: Props): JSX.Element {
  const [draft, setDraft] = useState(own ?? '');
  const [problem, setProblem] = useState<string | null>(null);
  const take = (text: string): void => {
    const wrong = textProblem(text);
    setProblem(wrong);
    if (wrong === null) onText(text);
  };
  return (
    <section class="panel text-choice">
      <h2>The text they learn from</h2>
      <p>
        {own === null
          ? 'Five State of the Union addresses, from Lincoln’s of 1862 to Obama’s of 2010.'
          : `Your text, of ${own.length.toLocaleString('en')} characters. It stays in this browser.`}
      </p>
      {missing && (
        <p class="problem" role="status">
          This link was made with a text of its sender’s, which does not travel with it: put yours here, or go on with
          the addresses.
        </p>
      )}
      <details>
        <summary>Take another text</summary>
        <label class="block">
          Your text, of at least {LEAST_TEXT.toLocaleString('en')} characters
          <textarea rows={6} value={draft} onInput={({ currentTarget }) => setDraft(currentTarget.value)} />
        </label>
        <div class="controls">
          <button type="button" class="primary" onClick={() => take(draft)}>
            Train on this text
          </button>
          <label class="file">
            or a text file{' '}
            <input
              type="file"
              accept=".txt,.md,text/*"
              onChange={({ currentTarget }) => {
                const file = currentTarget.files?.[0];
                if (file === undefined) return;
                void file.text().then((text) => {
                  setDraft(text);
                  take(text);
                });
              }}
            />
          </label>
          {own !== null && (
            <button
              type="button"
              onClick={() => {
                setProblem(null);
                onText(null);
              }}
            >
              Back to the addresses
            </button>
          )}
        </div>
        {problem !== null && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
      </details>
    </section>
  );
}

/** What people wrote of a run: read, and written anew. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { NoteRequest, RunNote } from '../src/api.ts';
import { postJson } from './fetching.ts';
import { navigate } from './navigation.tsx';
import { Problems, Tags } from './parts.tsx';

export function Note({ run, note }: { run: string; note: RunNote }): JSX.Element {
  const [written, setWritten] = useState<{ text: string; tags: string } | null>(null);
  /** As the server keeps it, until it is read from there. */
  const [saved, setSaved] = useState<RunNote | null>(null);
  const [error, setError] = useState<string | null>(null);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => setSaved(null), [note]);
  const shown = saved ?? note;
  const isEmpty = shown.text === '' && shown.tags.length === 0;
  const end = (): void => {
    setWritten(null);
    setError(null);
    requestAnimationFrame(() => button.current?.focus());
  };
  const save = async ({ text, tags }: { text: string; tags: string }): Promise<void> => {
    const named = tags.split(',').map((tag) => tag.trim());
    const request: NoteRequest = { run, note: { text, tags: named.filter((tag) => tag !== '') } };
    try {
      setSaved(await postJson<RunNote>('/api/note', request));
      end();
    } catch (problem) {
      setError(problem instanceof Error ? problem.message : String(problem));
    }
  };
  return (
    <section class="panel" aria-label="Note and tags">
      <div class="controls note-head">
        <h2>Note and tags</h2>
        {written === null && (
          <button
            type="button"
            ref={button}
            onClick={() => setWritten({ text: shown.text, tags: shown.tags.join(', ') })}
          >
            {isEmpty ? 'Write' : 'Change'}
          </button>
        )}
      </div>
      {written !== null ? (
        <form
          class="explore"
          onSubmit={(event) => {
            event.preventDefault();
            void save(written);
          }}
          onKeyDown={(event) => {
            if (event.key === 'Escape') end();
          }}
        >
          <label class="block">
            Note
            <textarea
              rows={6}
              value={written.text}
              ref={(area) => {
                if (area !== null && document.activeElement === document.body) area.focus();
              }}
              onInput={({ currentTarget }) => setWritten({ ...written, text: currentTarget.value })}
            />
          </label>
          <label class="block">
            Tags, with commas between
            <input
              type="text"
              class="block"
              value={written.tags}
              onInput={({ currentTarget }) => setWritten({ ...written, tags: currentTarget.value })}
            />
          </label>
          <div class="controls">
            <button type="submit">Save</button>
            <button type="button" onClick={end}>
              Leave as it was
            </button>
          </div>
          {error !== null && <Problems problems={[error]} />}
        </form>
      ) : isEmpty ? (
        <p class="soft">Nothing is written of this run yet.</p>
      ) : (
        <>
          {shown.tags.length > 0 && (
            <Tags tags={shown.tags} find={(tag) => navigate(`/?${new URLSearchParams({ filter: `tag = ${tag}` })}`)} />
          )}
          {shown.text !== '' && (
            <div class="scroll note-text" tabIndex={0} role="region" aria-label="Note">
              {shown.text}
            </div>
          )}
        </>
      )}
    </section>
  );
}

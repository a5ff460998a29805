/** The page: its frame, and which part of it an address shows. */
import { type JSX, render } from 'preact';
import { Compare } from './compare.tsx';
import { Explore } from './explore.tsx';
import { useTheme } from './figure.tsx';
import { followRuns, useRuns } from './live.ts';
import { Link, useAddress } from './navigation.tsx';
import { Overview } from './overview.tsx';
import { RunPage } from './run-page.tsx';
import { toggleTheme } from './theme.ts';

const PAGES = [
  { path: '/', name: 'Runs' },
  { path: '/compare', name: 'Compare' },
  { path: '/explore', name: 'Explore routing' },
] as const;

function App(): JSX.Element {
  const { pathname, searchParams } = useAddress();
  const ids = searchParams.getAll('run');
  const { folder, connected, runs } = useRuns();
  const theme = useTheme();
  return (
    <>
      <a class="skip" href="#content">
        Skip to the content
      </a>
      <header class="top">
        <Link href="/" class="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          LPR <span class="soft folder">{folder}</span>
        </Link>
        <nav aria-label="Pages">
          {PAGES.map(({ path, name }) => (
            <Link key={path} href={path} aria-current={pathname === path ? 'page' : undefined}>
              {name}
            </Link>
          ))}
        </nav>
        <span class={`connection ${connected || runs === undefined ? '' : 'lost'}`} role="status">
          {connected || runs === undefined ? '' : 'Not connected; trying again'}
        </span>
        <button type="button" class="quiet" onClick={toggleTheme}>
          {theme === 'dark' ? 'Light' : 'Dark'}
        </button>
      </header>
      <main id="content" tabIndex={-1}>
        {pathname === '/run' ? (
          <RunPage key={ids[0]} id={ids[0] ?? '.'} />
        ) : pathname === '/compare' ? (
          <Compare ids={ids} />
        ) : pathname === '/explore' ? (
          <Explore ids={ids} />
        ) : (
          <Overview />
        )}
      </main>
    </>
  );
}

followRuns();
render(<App />, document.getElementById('app')!);

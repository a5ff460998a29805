/** Bundles the page before the first test. */
import { build } from 'vite';
import { PAGE_FOLDER, pageConfig } from '../scripts/page.ts';

export default async function makePage(): Promise<void> {
  await build(pageConfig(PAGE_FOLDER));
}

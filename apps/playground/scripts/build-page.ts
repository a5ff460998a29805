/** Bundles the page into static files: `dist/page`. */
import { build } from 'vite';
import { PAGE_FOLDER, pageConfig } from './page.ts';

await build(pageConfig(PAGE_FOLDER));

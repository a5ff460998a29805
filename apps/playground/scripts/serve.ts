/** `pnpm playground`: builds the page and serves it on this machine until it is stopped. */
import { build, preview } from 'vite';
import { PAGE_FOLDER, pageConfig } from './page.ts';

const config = pageConfig(PAGE_FOLDER);
await build(config);
const server = await preview(config);
console.log(`The playground is at ${server.resolvedUrls!.local[0]}; Ctrl+C ends it.`);

/** Part of `npm run build`: bundles what the report's page runs, charts included, into one script and one style. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const [from, to] = [path('../src/report/html/client/'), path('../dist/report/html/')];

const bundle = await rolldown({
  input: `${from}main.ts`,
  platform: 'browser',
  transform: { define: { 'process.env.NODE_ENV': '"production"' } },
});
const { output } = await bundle.generate({ format: 'iife', minify: true });
await bundle.close();
// In a page, these would end or change the script element that holds it.
const script = output[0].code.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
writeFileSync(`${to}client-bundle.js`, script);
writeFileSync(`${to}client-bundle.css`, readFileSync(`${from}page.css`, 'utf8'));

/** Part of `npm run build`: bundles what the report's page runs, charts included, into one script and one style. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const [from, to] = [path('../src/report/html/client/'), path('../dist/report/html/')];

const bundle = await rolldown({
  input: `${from}main.ts`,
  platform: 'browser',
  transform: { define: { 'process.env.NODE_ENV': '"production"' } },
});
// What is given on with every page keeps the notices that its licences ask for.
const licences = await Promise.all(
  ['echarts/NOTICE', 'zrender/LICENSE'].map((file) => readFile(path(`../node_modules/${file}`), 'utf8')),
);
const banner = `/*! ${licences.join('\n').replaceAll('*/', '* /')}\nApache ECharts is under the Apache License 2.0. */`;
const { output } = await bundle.generate({ format: 'iife', minify: true, postBanner: banner });
await bundle.close();
// In a page, these would end or change the script element that holds it.
const script = output[0].code.replaceAll('</script', '<\\/script').replaceAll('<!--', '<\\!--');
await writeFile(`${to}client-bundle.js`, script);
// In order: what comes later wins.
const styles = ['page', 'parts', 'print'].map((name) => readFile(`${from}${name}.css`, 'utf8'));
await writeFile(`${to}client-bundle.css`, (await Promise.all(styles)).join(''));

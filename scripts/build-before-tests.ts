import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * Compiles the sources before any test runs: worker threads load the compiled worker, and a stale one
 * would be tested in its place. Type errors are `npm run check`'s to judge; code is emitted all the same.
 */
export default function buildBeforeTests(): void {
  const compiler = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'];
  const { status, stdout } = spawnSync(process.execPath, compiler, { cwd: root, encoding: 'utf8' });
  bundlePage();
  if (status === 0) return;
  if (!existsSync(`${root}/dist/run/workers/worker.js`))
    throw new Error(`The sources do not compile:\n${stdout}`);
  process.stderr.write(`The sources have type errors, see npm run check:\n${stdout}\n`);
}

/** The report's page inlines a bundle, which its tests would not find or find stale. */
function bundlePage(): void {
  const bundler = ['scripts/bundle-page.js'];
  const { status, stderr } = spawnSync(process.execPath, bundler, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The page's script cannot be bundled:\n${stderr}`);
}

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
/** The build writes this last. */
const lastBuilt = join(root, 'dist/report/html/client-bundle.css');
const ownFolder = 'tokenwork-tests-';
/** What a build depends on beside the sources. */
const buildsBy = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'scripts/bundle-page.js'];

/**
 * Runs once for each project before all tests: builds what is stale, and makes the folder that is theirs for
 * temporary files, which the function returned removes, whatever a skipped or killed test left in it.
 */
export default function setUp(): (() => void) | undefined {
  buildBeforeTests();
  if (tmpdir().includes(ownFolder)) return undefined;
  const folder = mkdtempSync(join(tmpdir(), ownFolder));
  process.env.TMPDIR = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

/**
 * Compiles the sources before any test runs, unless `dist/` is newer than all of them: worker threads load
 * the compiled worker, and a stale one would be tested in its place. Type errors are `npm run check`'s to
 * judge; code is emitted all the same. Throws where the compiler leaves no worker or no page.
 */
function buildBeforeTests(): void {
  if (isBuilt()) return;
  const compiler = ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'];
  const { status, stdout } = spawnSync(process.execPath, compiler, { cwd: root, encoding: 'utf8' });
  bundlePage();
  if (status === 0) return;
  if (!existsSync(`${root}/dist/run/workers/worker.js`))
    throw new Error(`The sources do not compile:\n${stdout}`);
  process.stderr.write(`The sources have type errors, see npm run check:\n${stdout}\n`);
}

function isBuilt(): boolean {
  if (!existsSync(lastBuilt)) return false;
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (file) => /\.(?:ts|css)$/.test(file) && !/\.test(?:-support)?\.ts$|\/testing\//.test(file),
  );
  // A file that was moved here is no newer than before.
  const compiled = sources.filter((file) => !file.startsWith('report/html/client/'));
  if (!compiled.every((file) => existsSync(join(root, 'dist', file.replace(/\.ts$/, '.js'))))) return false;
  const inputs = [...sources.map((file) => join('src', file)), ...buildsBy];
  const changedMs = inputs.map((file) => statSync(join(root, file)).mtimeMs);
  return Math.max(...changedMs) < statSync(lastBuilt).mtimeMs;
}

/** The report's page inlines a bundle, which its tests would not find or find stale. */
function bundlePage(): void {
  const bundler = ['scripts/bundle-page.js'];
  const { status, stderr } = spawnSync(process.execPath, bundler, { cwd: root, encoding: 'utf8' });
  if (status !== 0) throw new Error(`The page's script cannot be bundled:\n${stderr}`);
}

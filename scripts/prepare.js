// `npm run prepare`: builds. For `npm install --global GIT-ADDRESS` npm prepares its clone under the setting `global`
// as well, which brings none of the packages that building takes; they are then installed here first.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const npm = process.env.npm_execpath ?? 'npm';
const settings = Object.entries(process.env).filter(
  ([name]) => !/^npm_config_(global|location|prefix|(local|global)_prefix|omit|production)$/i.test(name),
);
if (!existsSync('node_modules/typescript'))
  run('ci', '--include=dev', '--ignore-scripts', '--no-audit', '--no-fund');
run('run', 'build');

function run(...args) {
  const [program, ...first] = npm.endsWith('.js') ? [process.execPath, npm] : [npm];
  const env = Object.fromEntries(settings);
  const shell = process.platform === 'win32' && program === 'npm';
  const { status } = spawnSync(program, [...first, ...args], { env, shell, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

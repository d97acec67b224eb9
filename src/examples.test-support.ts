/** The examples of the public API's docstrings, run as a user would. Imported by tests only. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { modelCache } from './models/cache.test-support.js';

const root = new URL('./', import.meta.url);
const library = new URL('../dist/index.js', root).href;

interface Example {
  /** The export that it is of. */
  name: string;
  code: string;
}

/** Every example of what `index.ts` exports, in its order. */
export function apiExamples(): Example[] {
  const index = readFileSync(new URL('index.ts', root), 'utf8');
  const reexports = [...index.matchAll(/^(?:im|ex)port \{ (?:(\w+) as )?(\w+) \} from '\.\/(.+)\.js';$/gm)];
  const own = [...index.matchAll(/^export (?:async )?function (\w+)/gm)].map(([, name]) => [
    'index',
    name,
    name,
  ]);
  const places = [...reexports.map(([, inner, name, file]) => [file, inner ?? name, name]), ...own];
  const seen = new Set<string>();
  return places.flatMap(([file, inner, name]) => {
    if (seen.has(name!)) return [];
    seen.add(name!);
    const text = readFileSync(new URL(`${file}.ts`, root), 'utf8');
    const declared = new RegExp(
      String.raw`/\*\*((?:(?!\*/)[\s\S])*)\*/\s*export (?:async )?(?:function|const|class) ${inner}\b`,
    ).exec(text);
    return [...(declared?.[1] ?? '').matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => ({
      name: name!,
      code: code!.replace(/^ \* ?/gm, ''),
    }));
  });
}

/** Runs a script of the library's user in an empty folder; its stdout and stderr together. Throws where it fails. */
export function runAsUser(script: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'tokenwork-user-'));
  try {
    const code = `import * as library from ${JSON.stringify(library)};\n${script}`;
    return execFileSync('sh', ['-c', '"$0" --input-type=module --eval "$1" 2>&1', process.execPath, code], {
      cwd: folder,
      env: { ...process.env, TOKENWORK_CACHE: modelCache },
      encoding: 'utf8',
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A result that examples may read, and the names that they use without saying where from. */
export const given = `
import { copyFile, readdir, writeFile } from 'node:fs/promises';
const { bench, compareResults, countFlops, exitCode, findingsOf, headline, isOk, readResult, renderPage, TokenworkError } = library;
const suite = { description: 'small', models: [{ model: 'tiny' }], design: [{ promptTokens: [4, 16], completionTokens: [2, 6] }], repetitions: 2 };
const quick = { suite, device: 'cpu', backend: 'native', ceilings: false, sensors: 'none' };
`;

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

/** Each folder of src/ may import from those above it and from itself; `only` names all that it may. */
const layers: readonly { folder: string; only?: readonly string[] }[] = [
  { folder: 'core' },
  { folder: 'stats' },
  { folder: 'models' },
  { folder: 'sensors' },
  { folder: 'sampling' },
  { folder: 'engines' },
  { folder: 'stages' },
  { folder: 'workload' },
  { folder: 'journal' },
  { folder: 'fold' },
  { folder: 'run' },
  { folder: 'import' },
  // What explains a result runs where nothing can be measured: no model, no sensor, no native library.
  { folder: 'analysis', only: ['core', 'stats'] },
  { folder: 'report', only: ['core', 'stats', 'analysis'] },
  { folder: 'cli' },
  { folder: 'index.ts' },
];

const root = dirname(fileURLToPath(import.meta.url));
const files = (readdirSync(root, { recursive: true }) as string[]).filter((file) => file.endsWith('.ts'));
const sources = files.filter((file) => !/\.test(-support)?\.ts$|\/testing\//.test(file));
const importsOf = new Map(files.map((file) => [file, readImports(file)]));

/** Every file that `file` imports, types too. */
function readImports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8');
  return [...text.matchAll(/(?:from|import) ?\(?'(\.[^']+)\.js'/g)].map(
    ([, path]) => `${normalize(join(dirname(file), path!))}.ts`,
  );
}

const folderOf = (file: string) => file.split('/')[0]!;

function mayImport(from: string, to: string): boolean {
  const names = layers.map(({ folder }) => folder);
  const own = layers.find(({ folder }) => folder === from);
  if (from === to || own === undefined) return own !== undefined;
  return own.only?.includes(to) ?? (names.includes(to) && names.indexOf(to) < names.indexOf(from));
}

/** A way from `file` along imports back to itself, or null. */
function cycleThrough(file: string): string[] | null {
  const cameFrom = new Map<string, string>();
  const queue = [file];
  for (const at of queue)
    for (const next of importsOf.get(at) ?? []) {
      if (next === file) {
        const path = [at];
        while (path[0] !== file) path.unshift(cameFrom.get(path[0]!)!);
        return [...path, file];
      }
      if (!cameFrom.has(next)) queue.push(next);
      if (!cameFrom.has(next)) cameFrom.set(next, at);
    }
  return null;
}

describe('the layers of src/', () => {
  it('has imports that only climb', () => {
    const below = sources.flatMap((file) =>
      importsOf
        .get(file)!
        .filter((to) => !mayImport(folderOf(file), folderOf(to)))
        .map((to) => `${file} imports ${to}`),
    );
    expect(below).toEqual([]);
  });

  it('has no cycle of imports, types included', () => {
    const cycles = sources.flatMap((file) => cycleThrough(file)?.join(' -> ') ?? []);
    expect(cycles).toEqual([]);
  });
});

import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { controlFlow } from '../any-graph/control-flow.js';
import { handledOf, handledOperators } from './handled.js';
import { ruledOperators, ruleFor } from './index.js';

interface Schemas {
  operators: Record<string, { attributes: string[]; inputs: number | null }>;
}
const schemas = JSON.parse(
  readFileSync(new URL('operator-schemas.json', import.meta.url), 'utf8'),
) as Schemas;
const contrib = 'com.microsoft';

const split = (name: string): [domain: string, opType: string] =>
  name.startsWith(`${contrib}.`) ? [contrib, name.slice(contrib.length + 1)] : ['', name];

/** Schemas of the operators that have a rule, by their full names. */
const counted = Object.entries(schemas.operators).filter(([name]) => ruleFor(...split(name)));

describe('operators', () => {
  test('that have a rule say what it knows of them, and the other way round', () => {
    const silent = ruledOperators.filter((name) => !handledOf(...split(name)));
    expect(silent).toEqual([]);
    const ruleless = [...handledOperators.keys()].filter((name) => !ruleFor(...split(name)));
    expect(ruleless).toEqual([]);
  });

  test('have no attribute in any version that nothing is known of', () => {
    const unknown = counted.flatMap(([name, { attributes }]) =>
      attributes
        .filter((attribute) => !handledOf(...split(name))!.attributes.has(attribute))
        .map((attribute) => `${name} ${attribute}`),
    );
    // Attributes that make a node "not counted exactly" are named as such in the table, these are not.
    expect(unknown).toEqual([]);
  });

  test('have no more inputs in any version than the rule knows or refuses', () => {
    const unknown = counted.filter(([name, { inputs }]) => (inputs ?? 0) > handledOf(...split(name))!.inputs);
    expect(unknown.map(([name]) => name)).toEqual(['Tile', `${contrib}.QMoE`]);
  });

  test('of attributes said to be read are read by some rule', () => {
    const folders = ['./', '../any-graph/'].map((folder) => new URL(folder, import.meta.url));
    const source = folders
      .flatMap((folder) =>
        readdirSync(folder)
          .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && name !== 'handled.ts')
          .map((name) => readFileSync(new URL(name, folder), 'utf8')),
      )
      .join('\n');
    const claimed = [...handledOperators.values()].flatMap(({ attributes }) =>
      [...attributes].filter(([, { kind }]) => kind === 'read').map(([name]) => name),
    );
    // FusedMatMul's transBatchA and transBatchB are read by one name with a letter behind it.
    const unread = [...new Set(claimed)].filter(
      (name) => !source.includes(`'${name}'`) && !/^trans(Batch)?[AB]$/.test(name),
    );
    expect(unread).toEqual([]);
  });

  test('are documented as they are handled', () => {
    const script = fileURLToPath(new URL('../../../../scripts/document-operators.js', import.meta.url));
    expect(spawnSync(process.execPath, [script, '--check']).status).toBe(0);
  });

  test('of control flow are three, each of ONNX itself', () => {
    expect([...controlFlow.keys()]).toEqual(['If', 'Loop', 'Scan']);
  });
});

test('no table of the models is looked up by a foreign name unless it is a Map or a Set', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !/\.test(-support)?\.ts$/.test(name),
  );
  // Names that come from files of others.
  const foreign = /\[[^\]\n]*\b(opType|domain|model_type|architectures?\b|label)\b[^\]\n]*\]/;
  const offences = files.flatMap((name) =>
    readFileSync(`${root}/${name}`, 'utf8')
      .split('\n')
      .filter((line) => /[\w)]\[/.test(line) && foreign.test(line.replace(/^.*?(?=[\w)]\[)/, '')))
      // Types, and what a schema has held against a list of names before.
      .filter(
        (line) =>
          !/\['architecture'\]|recipe\.architecture|names\[label\]|architectures\?*\.?\[0\]/.test(line),
      )
      .map((line) => `${name}: ${line.trim()}`),
  );
  expect(offences).toEqual([]);
});

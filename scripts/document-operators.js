/**
 * `npm run schema`: writes src/models/cost/rules/OPERATORS.md, what the rules take into account of each operator.
 * With `--check` it writes nothing, and exits with 1 where the table is not what the rules say.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { handledOf } from '../dist/models/cost/rules/handled.js';
import { ruleFor } from '../dist/models/cost/rules/index.js';
import { markdownTable } from './between-marks.js';

const rules = new URL('../src/models/cost/rules/', import.meta.url);
const { operators, versions } = JSON.parse(readFileSync(new URL('operator-schemas.json', rules), 'utf8'));
const words = {
  read: 'counted',
  free: 'changes no cost',
  refused: 'not counted exactly',
};
const rows = Object.entries(operators).flatMap(([name, { attributes, inputs }]) => {
  const [domain, opType] = name.startsWith('com.microsoft.')
    ? ['com.microsoft', name.slice('com.microsoft.'.length)]
    : ['', name];
  const entry = ruleFor(domain, opType) && handledOf(domain, opType);
  if (!entry) return [];
  const handling = (attribute) => {
    const how = entry.attributes.get(attribute);
    if (how === undefined) return words.refused;
    return how.kind === 'only' ? `counted where it is ${how.value}, else not exactly` : words[how.kind];
  };
  const unknown = Array.from({ length: inputs ?? 0 }, (_, index) => index).filter(
    (index) => index >= entry.inputs || entry.refusedInputs.has(index),
  );
  return [
    ...(attributes.length === 0 && unknown.length === 0 ? [[name, '', 'counted']] : []),
    ...attributes.map((attribute) => [name, attribute, handling(attribute)]),
    ...unknown.map((index) => [name, `input ${index}`, words.refused]),
  ];
});
const cells = [
  ['Operator', 'Attribute or input', 'Handled'],
  ...rows.map(([name, what, how]) => [`\`${name}\``, what && `\`${what}\``, how]),
];
const text = `# Operators

What the rules take into account of each operator that they count, over all versions of onnx ${versions.onnx} and of
ONNX Runtime ${versions.onnxruntime}. What is "not counted exactly" makes FLOPs and bytes of the model \`null\` where a
node has it set. Operators that stand nowhere here are unknown, and named where they are met. \`npm run schema\` writes
this file.

${markdownTable(cells)}
`;

const target = new URL('OPERATORS.md', rules);
if (!process.argv.includes('--check')) writeFileSync(target, text);
else if (readFileSync(target, 'utf8') !== text) process.exitCode = 1;

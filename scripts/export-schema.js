/** `npm run schema`: writes the result file's JSON Schema to results/schema.json. */
import { writeFileSync } from 'node:fs';
import { resultJsonSchema } from '../dist/core/json/json-schema.js';

const target = new URL('../results/schema.json', import.meta.url);
writeFileSync(target, `${JSON.stringify(resultJsonSchema(), null, 2)}\n`);

import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { resultJsonSchema } from './json-schema.js';

it('is the schema that results/schema.json publishes (npm run schema writes it)', () => {
  const published = JSON.parse(
    readFileSync(new URL('../../../results/schema.json', import.meta.url), 'utf8'),
  );
  expect(published).toEqual(JSON.parse(JSON.stringify(resultJsonSchema())));
});

import { z } from 'zod';
import { resultSchema, schemaVersion } from '../result.js';

/** The JSON Schema (draft 2020-12) of a result file, as `results/schema.json` holds it. */
export function resultJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(resultSchema, { io: 'input' }),
    title: 'tokenwork result',
    description: `What a tokenwork run measured. Schema version ${schemaVersion}.`,
  };
}

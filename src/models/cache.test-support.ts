import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Where all tests of a run of `npm test` build their models: each is built once. Imported by tests only. */
export const modelCache: string = join(tmpdir(), 'tokenwork-models');

import { type RequestRow, type Result, requestSchema, resultSchema } from '../result.js';

/** A result whose rows are made one by one: as objects they take many times the memory of what they are made of. */
export interface RowwiseResult {
  head: Omit<Result, 'requests'>;
  rows(): Iterable<RequestRow>;
}

/** A result's document, checked, a row at a time: the text that `JSON.stringify(result, null, 1)` gives, and a line feed. */
export function* resultText({ head, rows }: RowwiseResult): Generator<string> {
  const document = JSON.stringify(resultSchema.parse({ ...head, requests: [] }), null, 1);
  // No other key stands behind one space.
  const [before, after] = document.split('\n "requests": []') as [string, string];
  yield `${before}\n "requests": [`;
  let count = 0;
  for (const row of rows()) {
    const text = JSON.stringify(requestSchema.parse(row), null, 1).replaceAll('\n', '\n  ');
    yield `${count === 0 ? '' : ','}\n  ${text}`;
    count++;
  }
  yield `${count === 0 ? '' : '\n '}]${after}\n`;
}

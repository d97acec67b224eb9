/** Reads fields of answers that any server may have sent: what has the wrong type or cannot be so is null. */

/** An object of JSON. */
export type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null;
}

/** The field of that name; undefined where there is none. Never one that an object inherits, as `constructor`. */
export function field(value: unknown, name: string): unknown {
  const fields = fieldsOf(value);
  return fields !== null && Object.hasOwn(fields, name) ? fields[name] : undefined;
}

/** The fields of an object within an object. */
export function fieldAt(value: unknown, ...names: readonly string[]): unknown {
  return names.reduce((inner, name) => field(inner, name), value);
}

/** A number of things: an integer from 0 that a double holds exactly. */
export function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function textOrNull(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** ns of a time in units of `nsEach`, rounded. */
export function nanoseconds(value: unknown, nsEach: number): number | null {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) return null;
  return count(Math.round(value * nsEach));
}

/** A number in a header. */
export function numberInText(value: string | undefined): number | null {
  return value !== undefined && /^\d{1,15}(\.\d+)?$/.test(value.trim()) ? Number(value) : null;
}

/** Ids of tokens; null where it is no list of them. */
export function tokenIds(value: unknown): number[] | null {
  return Array.isArray(value) && value.every((id) => count(id) !== null) ? (value as number[]) : null;
}

/**
 * A model's name without the folder that it lies in on the server. `OWNER/NAME` of a hub stays: only what is a path
 * for certain is cut.
 */
export function withoutFolder(name: string): string {
  const isPath = /^(?:[/~.\\]|[A-Za-z]:[\\/])/.test(name) || /\.gguf$/i.test(name);
  return isPath ? (name.split(/[\\/]/).findLast((part) => part !== '') ?? name) : name;
}

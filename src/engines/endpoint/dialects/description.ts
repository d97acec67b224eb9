import type { Dialect, ProbeAnswer } from '../endpoint.js';
import { count, field, fieldsOf, list, textOrNull, withoutFolder } from './fields.js';

type Description = ReturnType<Dialect['describe']>;
/** What a server may tell of itself, or not. */
type Told = Omit<Description, 'settings' | 'absent'>;
export type Answers = ReadonlyMap<string, ProbeAnswer>;

/** The body of an answer that was given; undefined where there was none. */
export function answered(answers: Answers, path: string): unknown {
  const answer = answers.get(path);
  return answer !== undefined && answer.status >= 200 && answer.status < 300 ? answer.body : undefined;
}

/** The entry of a model in `/v1/models`. */
export function listedModel(answers: Answers, model: string): unknown {
  return list(field(answered(answers, '/v1/models'), 'data')).find((entry) => field(entry, 'id') === model);
}

/** Whether `/v1/models` says that a server of that name serves any of them. */
export function isOwnedBy(answers: Answers, owner: string): boolean {
  const models = list(field(answered(answers, '/v1/models'), 'data'));
  return models.some((entry) => field(entry, 'owned_by') === owner);
}

/**
 * What a server tells of itself, every null with its reason.
 *
 * @param reasons why a field is null, where it may be.
 */
export function description(
  told: Told,
  reasons: Readonly<Partial<Record<keyof Told, string>>>,
  settings: Description['settings'] = {},
): Description {
  const absent = Object.entries(told).flatMap(([name, value]) =>
    value === null
      ? [[name, reasons[name as keyof Told] ?? 'the server tells it by no request'] as const]
      : [],
  );
  return { ...told, settings, absent: Object.fromEntries(absent) };
}

/** Settings by the server's own names; a name that it does not tell is left out, and a path is cut to its last part. */
export function settingsOf(source: unknown, names: readonly string[]): Description['settings'] {
  return Object.fromEntries(
    names.flatMap((name): [string, string | number | boolean][] => {
      const value = field(source, name);
      if (typeof value === 'string') return value === '' ? [] : [[name, withoutFolder(value).slice(0, 200)]];
      const isSetting = typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value));
      return isSetting ? [[name, value as number | boolean]] : [];
    }),
  );
}

/** `{"version": …}`, as several servers answer. */
export function versionAt(answers: Answers, path: string): string | null {
  const body = answered(answers, path);
  return fieldsOf(body) === null ? null : textOrNull(field(body, 'version'));
}

/** A count above 0, which servers give as 0 or −1 where there is no limit. */
export function limit(value: unknown): number | null {
  const known = count(value);
  return known === 0 ? null : known;
}

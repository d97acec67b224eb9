import { Command, InvalidArgumentError } from 'commander';
import { TokenworkError } from '../../core/errors.js';
import { printableJson } from '../../core/text.js';
import { type CachedModel, cacheContents } from '../../models/cache/contents.js';
import { pruneCache } from '../../models/cache/prune.js';
import { cacheDirectory } from '../../models/cache-directory.js';
import { renderTable } from '../../report/terminal/table.js';
import { formatBytes, formatCount } from '../../report/words/format.js';
import { benchOptions } from '../../workload/options/bench-options.js';
import { optionOf } from '../arguments.js';
import { printData, terminalOf } from '../terminal.js';

interface PruneFlags {
  olderThan?: number;
  all?: boolean;
  dryRun?: boolean;
}

const dayMs = 24 * 60 * 60 * 1000;
const unitMs = { h: dayMs / 24, d: dayMs, w: 7 * dayMs };

/** The commands about the models that are kept. */
export function cacheCommands(): Command[] {
  return [
    new Command('size')
      .description('Show which models are kept in the cache, how large they are and when each was last used')
      .addOption(optionOf(benchOptions.json, { help: 'machine output' }))
      .action(size),
    new Command('prune')
      .description(
        'Remove models from the cache, and builds that were never finished.\nWhat a running process builds or reads stays. A model is built or downloaded again when it is asked for.',
      )
      .argument('[id...]', 'names that `tokenwork models size` shows, or recipes, or hf:OWNER/NAME')
      .option('--older-than <age>', 'those not used for so long, such as 12h, 30d or 8w', age)
      .option('--all', 'all of them')
      .option('--dry-run', 'only say what would be removed')
      .action(prune),
  ];
}

function age(text: string): number {
  const [, count, unit] = /^(\d+)([hdw])$/.exec(text) ?? [];
  if (count === undefined) throw new InvalidArgumentError('Use a number and h, d or w, such as 30d.');
  return Number(count) * unitMs[unit as keyof typeof unitMs];
}

async function size({ json = false }: { json?: boolean }): Promise<void> {
  const directory = cacheDirectory();
  const { models, otherBytes } = await cacheContents(directory);
  if (json) return printData(`${printableJson({ directory, models, otherBytes }, 2)}\n`);
  const column = (
    [header, align, priority]: [string, 'left' | 'right', number],
    text: (model: CachedModel) => string,
  ) => ({ header: [header, ''] as [string, string], align, priority, text: models.map(text) });
  const table = renderTable(
    [
      column(['model', 'left', 9], ({ id }) => id),
      column(['size', 'right', 8], ({ bytes }) => formatBytes(bytes)),
      column(['last used', 'right', 7], ({ usedAt }) => daysAgo(usedAt)),
      column(['in use by', 'left', 5], ({ usedBy }) => usedBy ?? '–'),
      column(['kind', 'left', 4], ({ kind }) => kind),
    ],
    terminalOf(process.stdout).width,
    (text) => text,
  );
  const sum = `${formatCount(models.length, 'model')}, ${formatBytes(bytesOf(models))}, in ${directory}; all else there ${formatBytes(otherBytes)}.`;
  await printData(models.length === 0 ? `${sum}\n` : `${table}\n\n${sum}\n`);
}

function daysAgo(at: Date): string {
  const days = Math.floor((Date.now() - at.getTime()) / dayMs);
  return days <= 0 ? 'today' : `${days} d ago`;
}

async function prune(ids: string[], { olderThan, all = false, dryRun = false }: PruneFlags): Promise<void> {
  const ways = [ids.length > 0, olderThan !== undefined, all].filter(Boolean).length;
  if (ways !== 1)
    throw new TokenworkError(
      'bad-option',
      ways === 0
        ? 'It is not said which models are to go.'
        : 'Ids, --older-than and --all exclude each other.',
      'Name models, or use --older-than 30d or --all; `tokenwork models size` shows them, --dry-run only tells.',
    );
  const directory = cacheDirectory();
  const { models } = await cacheContents(directory);
  const unknown = ids.find((name) => !models.some(({ id, model }) => name === id || name === model));
  if (unknown !== undefined)
    throw new TokenworkError(
      'not-built',
      `The cache ${directory} holds no model "${unknown}".`,
      'See what it holds: tokenwork models size',
    );
  const unusedSince = olderThan === undefined ? {} : { unusedSince: new Date(Date.now() - olderThan) };
  const { removed, kept } = await pruneCache(directory, { ids, all, ...unusedSince }, { dryRun });
  const lines = [
    ...removed.map(({ id, bytes }) => `${dryRun ? 'would remove' : 'removed'} ${id}, ${formatBytes(bytes)}`),
    ...kept.map(({ id, usedBy }) => `kept ${id}: in use by ${usedBy ?? 'another process'}`),
    `${dryRun ? 'Would free' : 'Freed'} ${formatBytes(bytesOf(removed))} in ${directory}.`,
  ];
  await printData(`${lines.join('\n')}\n`);
}

function bytesOf(models: readonly CachedModel[]): number {
  return models.reduce((sum, { bytes }) => sum + bytes, 0);
}

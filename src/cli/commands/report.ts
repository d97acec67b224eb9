import { Command } from 'commander';
import { costCard } from '../../analysis/card/cost-card.js';
import { type Findings, findingsFrom, findingsOf } from '../../analysis/findings.js';
import { resultsByModel } from '../../analysis/one-model.js';
import { TokenworkError } from '../../core/errors.js';
import type { Result } from '../../core/result.js';
import { printableJson } from '../../core/text.js';
import { renderCostCard } from '../../report/markdown/cost-card.js';
import { tablesOf } from '../../report/tables/result.js';
import { repeatable } from '../arguments.js';
import { writeTables } from '../csv-folder.js';
import { parseBudgets, testBudgets } from '../fail-on.js';
import { writeOutputFile } from '../output-file.js';
import { pageHint } from '../page-hint.js';
import { renderReport } from '../report-text.js';
import { refuseRowsTarget, writeRows } from '../request-rows.js';
import { readResultFiles, readTabledFile } from '../result-file.js';
import { printData, terminalOf } from '../terminal.js';
import { printUsage } from '../usage-report.js';

export function reportCommand(): Command {
  return new Command('report')
    .description(
      'Say what a result shows: do tokens track the work?\nPrints the answer, with --full every table and finding.',
    )
    .argument('<result...>', 'files that `tokenwork bench` wrote')
    .option('--full', 'every table and finding, not the answer alone')
    .option('--json', 'the findings as machine output; an array where several results are given')
    .option(
      '--out <file>',
      'write the page as well: one HTML file that needs no network (- prints only that)',
    )
    .option(
      '--card [file]',
      'a cost card to publish beside a model: one page of Markdown, or with --json its figures',
    )
    .option('--csv <dir>', 'write every table as well, a CSV file each, and name the files on stderr')
    .option(
      '--rows <file>',
      'write a flat row per request instead, of all results: FILE.csv or FILE.parquet (- for CSV on stdout)',
    )
    .option('--force', 'replace the files of --csv or --rows where there are some')
    .option(
      '--fail-on <budget>',
      'exit with 1 where a result surely breaks a budget, such as "cpuTime<=20ms/token"; repeatable',
      repeatable,
    )
    .option(
      '--usage <file>',
      'apply what was measured to a log instead: a JSON value a line, each the usage of a request or the response body around it (- for stdin)',
    )
    .option(
      '--model <id>',
      'the card, or the work for --usage, of this model only; without it, a card of each model',
    )
    .addHelpText(
      'after',
      `
Examples:
  tokenwork report result.json
  tokenwork report result.json --out report.html
  tokenwork report result.json --card COST.md
  tokenwork report result.json --csv tables
  tokenwork report result.json --fail-on "ttft<=300ms"
  tokenwork report result.json --usage june.jsonl   what the bill of a log hides
  tokenwork report *.json --rows requests.parquet   for DuckDB, pandas or R`,
    )
    .action(report);
}

interface ReportFlags {
  full?: boolean;
  json?: boolean;
  out?: string;
  card?: string | true;
  csv?: string;
  model?: string;
  rows?: string;
  force?: boolean;
  failOn?: string[];
  usage?: string;
}

async function report(paths: string[], flags: ReportFlags): Promise<void> {
  const budgets = parseBudgets(flags.failOn);
  if (flags.usage !== undefined) return reportUsage(paths, { ...flags, usage: flags.usage });
  await refuseTogether(paths, flags);
  const { json = false, out, card, csv } = flags;
  const findingsAlone = json && out === undefined && card === undefined && csv === undefined;
  if (findingsAlone && budgets.length === 0) {
    const findings: Findings[] = [];
    for (const path of paths) findings.push(findingsFrom(await readTabledFile(path)));
    return printFindings(findings);
  }
  const results = await readResultFiles(paths);
  await print(results, paths, flags);
  testBudgets(results, budgets);
}

/** Throws TokenworkError `bad-option` for what a log has not. */
async function reportUsage(paths: string[], flags: ReportFlags & { usage: string }): Promise<void> {
  const other = (['out', 'card', 'csv', 'rows', 'failOn'] as const).find((name) => flags[name] !== undefined);
  if (other !== undefined || paths.length > 1) {
    const what = other === undefined ? 'several results' : `--${other === 'failOn' ? 'fail-on' : other}`;
    throw new TokenworkError(
      'bad-option',
      `--usage and ${what} cannot be given together.`,
      'Ask for the one after the other.',
    );
  }
  const [result] = await readResultFiles(paths);
  await printUsage(result!, flags);
}

/** Throws TokenworkError `bad-option` for what does not go together, or what `--rows` may not write to. */
async function refuseTogether(paths: string[], flags: ReportFlags): Promise<void> {
  const { json = false, out, card, csv, model, rows, force = false } = flags;
  if (rows !== undefined) {
    const other = (['json', 'out', 'card', 'csv'] as const).find((name) => flags[name] !== undefined);
    if (other !== undefined) {
      throw new TokenworkError(
        'bad-option',
        `--rows and --${other} cannot be given together.`,
        'Ask for the one after the other.',
      );
    }
    await refuseRowsTarget(rows, force);
  } else if (force && csv === undefined) {
    throw new TokenworkError('bad-option', '--force is given without --csv or --rows.', 'Leave it out.');
  }
  if (json && out === '-') {
    throw new TokenworkError(
      'bad-option',
      'Standard output takes either the page or JSON.',
      'Name a file with --out, or leave out --json.',
    );
  }
  if (model !== undefined && card === undefined) {
    throw new TokenworkError(
      'bad-option',
      '--model is given without --card.',
      'Add --card, or leave it out.',
    );
  }
  if (out !== undefined && card !== undefined) {
    throw new TokenworkError(
      'bad-option',
      '--card and --out cannot be given together.',
      'Ask for the card and the page one after the other.',
    );
  }
  if (csv !== undefined && (paths.length > 1 || card !== undefined)) {
    throw new TokenworkError(
      'bad-option',
      '--csv takes one result, and no --card.',
      'Write the tables of each result into a folder of its own.',
    );
  }
}

async function print(results: readonly Result[], paths: string[], flags: ReportFlags): Promise<void> {
  const { full = false, json = false, out, card, csv, model, rows, force = false } = flags;
  if (rows !== undefined) {
    const count = await writeRows(rows, results);
    if (rows !== '-') process.stderr.write(`Rows: ${rows}, ${count} of them.\n`);
    return;
  }
  if (card !== undefined) {
    const cards = cardsOf(results, { json, ...(model !== undefined && { model }) });
    if (card === true || card === '-') await printData(cards);
    else await writeOutputFile(card, cards);
    return;
  }
  const runs = results.map((result) => ({ result, findings: findingsOf(result) }));
  if (csv !== undefined) {
    const [{ result, findings }] = runs as [(typeof runs)[number]];
    const written = await writeTables(csv, tablesOf(result, findings), { force });
    process.stderr.write(`${written.map((path) => `Table: ${path}\n`).join('')}`);
  }
  if (out !== undefined) {
    const page = await pageOf(runs);
    if (out === '-') return printData(page);
    await writeOutputFile(out, page);
  }
  if (json) await printFindings(runs.map((run) => run.findings));
  else {
    const terminal = terminalOf(process.stdout);
    for (const [index, { result, findings }] of runs.entries()) {
      const text = renderReport(result, paths[index]!, { ...terminal, full }, findings);
      await printData(index === 0 ? text : `\n${text}`);
    }
  }
  if (out !== undefined) process.stderr.write(`Page: ${out}\n`);
  else if (full && !json) process.stderr.write(`${pageHint(paths)}\n`);
}

async function printFindings(findings: readonly Findings[]): Promise<void> {
  await printData(`${printableJson(findings.length === 1 ? findings[0] : findings, 2)}\n`);
}

/** Loaded where a page is asked for alone, as the charts take a while to load. */
async function pageOf(runs: readonly { result: Result; findings: Findings }[]): Promise<string> {
  const { renderPage } = await import('../../report/html/page.js');
  return renderPage(runs);
}

/** Cost cards of all models of the results, or of the one named: Markdown, or JSON, an array of several. */
function cardsOf(results: readonly Result[], { model, json }: { model?: string; json: boolean }): string {
  const own = results.flatMap((result) => resultsByModel(result, model));
  const drawn = own.map((result) => {
    const findings = findingsOf(result);
    return { result, findings, card: costCard(result, findings) };
  });
  if (json) {
    const cards = drawn.map(({ card }) => card);
    return `${printableJson(cards.length === 1 ? cards[0] : cards, 2)}\n`;
  }
  return drawn.map(({ card, findings, result }) => renderCostCard(card, findings, result)).join('\n---\n\n');
}

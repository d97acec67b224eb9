import { ceilingRatiosTable, configurationTable, shapeTable } from '../../tables/comparison.js';
import type { Table } from '../../tables/table.js';
import { html } from '../html.js';
import type { Section } from '../page-context.js';
import { htmlTable } from '../table.js';
import type { ComparisonContext } from './context.js';

export function settings({ comparison }: ComparisonContext): Section {
  const { title, columns } = configurationTable(comparison);
  return {
    name: 'settings',
    short: 'Settings',
    title: 'Where the settings differ',
    body:
      comparison.configuration.length === 0
        ? html`<p>Both ran with the same settings.</p>`
        : htmlTable(columns, title),
  };
}

export function machines({ comparison }: ComparisonContext): Section | null {
  return tableSection(ceilingRatiosTable(comparison), {
    name: 'machines',
    short: 'Machines',
    title: 'What the machines can do, beside what was measured',
    lead: 'Decode is bound by how fast memory is read, prefill by how fast matrices are multiplied: a candidate whose speed falls behind its ceiling leaves something of the machine unused.',
  });
}

export function shape({ comparison }: ComparisonContext): Section | null {
  return tableSection(shapeTable(comparison), {
    name: 'shape',
    short: 'Price lists',
    title: 'Whether a price list carries over',
    lead: 'Rank correlation: whether the same requests are dear on both, 1 being the same order. Misbilled: the share of a bill that lands on the wrong requests where input and output prices fitted on the baseline are applied to the candidate.',
  });
}

export function method({ comparison }: ComparisonContext): Section {
  return {
    name: 'method',
    short: 'Method',
    title: 'How verdicts were reached',
    body: html`<p>${comparison.method}</p>`,
  };
}

function tableSection({ columns }: Table, section: Omit<Section, 'body'>): Section | null {
  if (columns[0]!.text.length === 0) return null;
  return { ...section, body: htmlTable(columns, `Table: ${section.title}`) };
}

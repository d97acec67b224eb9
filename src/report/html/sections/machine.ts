import { ceilingsTable, sensorsTable } from '../../tables/run.js';
import type { Table } from '../../tables/table.js';
import { formatBytes, formatCount, formatDuration, formatKnown } from '../../words/format.js';
import { describeArrivals, describeRegressions, describeServer } from '../../words/server.js';
import { describeModel } from '../../words/setting.js';
import { type Html, html, type Part } from '../html.js';
import type { PageContext, Section } from '../page-context.js';
import { htmlTable } from '../table.js';

/** Hardware, its measured ceilings, software, sensors, and how to run it again. */
export function machineSection({ result }: PageContext): Section {
  const { hardware, environment, run, tool, models } = result;
  const { cpu, ceilings } = hardware;
  const { servers = [] } = environment;
  const sent = [...describeArrivals(result), ...describeRegressions(result)];
  const facts: [string, Part][] = [
    ['Machine', hardware.id],
    [
      'CPU',
      [
        cpu.brand,
        ...formatKnown(cpu.physicalCores, (cores) => formatCount(cores, 'core')),
        ...formatKnown(cpu.logicalCores, (cores) => formatCount(cores, 'logical core')),
      ].join(', '),
    ],
    ['Memory', hardware.memoryBytes === null ? 'unknown' : formatBytes(hardware.memoryBytes)],
    ['GPU', hardware.gpus.length === 0 ? 'none found' : hardware.gpus.map(({ model }) => model).join(', ')],
    ['System', environment.os],
    [
      'Software',
      [
        `Node ${environment.node}`,
        ...Object.entries(environment.packages).map((pair) => pair.join(' ')),
      ].join(', '),
    ],
    ['tokenwork', [tool.version, tool.commit].filter((part) => part !== null).join(', commit ')],
    ['Run', `${run.id}, begun ${run.startedAt}, ${formatDuration(run.durationNs)}, seed ${run.seed}`],
    [
      'Plan',
      `${formatCount(run.plannedRequests, 'request')}, ${formatCount(run.repetitions, 'repetition')}, ${run.concurrency} at a time, ${formatCount(run.warmupRequests, 'warm-up request')} left out`,
    ],
    ['Run it again', html`<code>${run.command}</code>`],
  ];
  return {
    name: 'machine',
    short: 'Machine',
    title: 'The machine and the run',
    folded: 'hardware, ceilings, software, models, sensors, and how to run it again',
    body: html`<dl class="facts">${facts.map(([term, fact]) => html`<dt>${term}</dt><dd>${fact}</dd>`)}</dl>
${servers.length > 0 && html`<h4>Servers</h4><ul>${servers.map((server) => html`<li>${describeServer(server)}</li>`)}</ul>`}
${sent.length > 0 && html`<h4>Arrivals and shares</h4><ul>${sent.map((line) => html`<li>${line}</li>`)}</ul>`}
${models.length > 0 && html`<h4>Models</h4><ul>${models.map((model) => html`<li>${describeModel(model)}</li>`)}</ul>`}
${ceilings === null ? html`<p class="absent">The machine’s ceilings were not measured.</p>` : html`<h4>Ceilings, with ${formatCount(ceilings.threads, 'thread')}</h4>${prose(ceilingsTable(ceilings))}`}
${environment.sensors.length > 0 && html`<h4>Sensors</h4>${prose(sensorsTable(result))}`}`,
  };
}

function prose({ columns, title }: Table): Html {
  return htmlTable(columns, title, { prose: true });
}

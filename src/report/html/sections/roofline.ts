import { type RooflinePoint, rooflineOf } from '../../../analysis/roofline.js';
import { rooflineTable } from '../../tables/run.js';
import { cellName } from '../../words/names.js';
import { renderChart } from '../chart.js';
import type { PageContext, Section } from '../page-context.js';
import { evenly, short } from '../thin.js';

const mostPoints = 1000;

/** Each stage against the ceilings that the run measured. */
export function rooflineSection({ result, findings, id }: PageContext): Section | null {
  const found = rooflineOf(result);
  if (found === null) return null;
  const { roofs } = found;
  const points = evenly(found.points, mostPoints);
  const stages = [...new Set(points.map(({ stage }) => stage))];
  const named = ({ cell }: RooflinePoint) => cellName(cell, findings.workload.models);
  const cut =
    points.length < found.points.length
      ? ` ${points.length} of ${found.points.length} points, taken evenly.`
      : '';
  return {
    name: 'roofline',
    short: 'Roofline',
    title: 'How much of the machine was used',
    folded: 'rates reached by stage and cell, against the machine’s ceilings',
    lead: 'The line is the most that this machine was measured to do: on its slope memory is what limits, on its flat part arithmetic. A point is a cell’s median in one stage; the nearer to the line, the better used.',
    body: renderChart({
      id: id('roofline'),
      label: 'Roofline: rates reached by stage and cell against the machine’s ceilings',
      caption: `FLOPs and bytes are counted from the graph, times and ceilings measured in this run.${cut}`,
      spec: {
        kind: 'roofline',
        roofs: roofs.map(({ dtype, ...roof }) => ({ name: dtype, ...roof })),
        groups: stages.map((stage) => ({
          name: stage,
          points: points
            .filter((point) => point.stage === stage)
            .map((point) => ({
              cell: named(point),
              intensity: short(point.intensity),
              flopsPerSecond: short(point.flopsPerSecond),
              shareOfRoof: short(point.shareOfRoof),
            })),
        })),
      },
      table: rooflineTable(points, findings.workload.models).columns,
    }),
  };
}

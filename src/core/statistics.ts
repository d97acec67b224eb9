/**
 * The statistics that findings are made of, defined once: `tokenwork help NAME` prints them, and `npm run schema` writes
 * them into results/README.md. W_c is a cell's summed work, B_c its bill, T_c its billed tokens.
 */

/** A statistic in words. */
export interface StatisticRecord {
  /** Its name on the command line; one word. */
  readonly name: string;
  readonly label: string;
  readonly definition: string;
}

/** In the order in which a report comes to them. */
export const statistics: readonly StatisticRecord[] = [
  {
    name: 'misbilled',
    label: 'misbilled share (Hoover index)',
    definition: 'H = ½ Σ_c │W_c/ΣW − B_c/ΣB│',
  },
  {
    name: 'variance',
    label: 'explained variance R²',
    definition:
      'of work on tokens: one price; an input and an output price; both and a fixed fee. Held out by cell',
  },
  {
    name: 'perToken',
    label: 'work per token',
    definition:
      'r_c = W_c/T_c: coefficient of variation, p95/p5, max/median; Gini, Theil and the Lorenz curve of work against tokens',
  },
  {
    name: 'elasticity',
    label: 'elasticity',
    definition: 'slope of log work on log tokens; 1 is proportional',
  },
  {
    name: 'subsidy',
    label: 'worst cross-subsidy',
    definition: 'the cells that pay most above and below their cost, each with its interval',
  },
  {
    name: 'drivers',
    label: 'drivers',
    definition:
      'Shapley shares of R² of log r over the design’s factors, exact over subsets; factors are one where one is linear in the other; the rest is named unexplained',
  },
  {
    name: 'noise',
    label: 'noise floor',
    definition:
      'the mean of the statistic if tokens tracked work perfectly and only noise between repetitions were seen: a parametric bootstrap with the variance within cells (pooled on the log scale, heavier tails where residuals show them, drift taken out); of work that was shared among requests in flight, the error of that too, as large as the intervals of the rows say, the same for all requests of a cell',
  },
  {
    name: 'verdict',
    label: 'verdict',
    definition: '`non-uniform` outside the 95% band of that distribution, else `not distinguishable`',
  },
  {
    name: 'plainToken',
    label: 'plain token',
    definition:
      'work per billed token of the reference request (128 + 128 tokens, no hidden stage, empty cache, alone) in the same run',
  },
  {
    name: 'effectiveTokens',
    label: 'effective tokens',
    definition: 'work ÷ plain token: what a request would be billed if tokens were work',
  },
];

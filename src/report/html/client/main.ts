/** The page's script: draws the charts anew so that they answer, switches metrics and themes. */
import { followChoices, hydrateCharts } from './charts.js';
import { switchMetrics, switchTheme } from './switches.js';

switchTheme();
switchMetrics();
hydrateCharts();
followChoices();

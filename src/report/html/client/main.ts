/** The page's script: draws the charts anew so that they answer, switches metrics and themes. */
import { followChoices, hydrateCharts } from './charts.js';
import { switchMetrics, switchTheme, unfoldAll } from './switches.js';
import { explainWords } from './words.js';

switchTheme();
switchMetrics();
unfoldAll();
explainWords();
hydrateCharts();
followChoices();

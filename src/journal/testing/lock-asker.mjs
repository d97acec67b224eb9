/** Asks for a journal's lock when told to, all askers at once, and keeps it until it is killed. */
import { lockJournal } from '../../../dist/journal/lock.js';

process.once('message', () => {
  try {
    lockJournal(process.argv[2]);
    process.send('got it');
  } catch (error) {
    process.send(error.code ?? String(error));
  }
});
process.send('ready');
setInterval(() => {}, 1000);
